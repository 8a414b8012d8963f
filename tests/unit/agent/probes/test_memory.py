from types import SimpleNamespace

import pytest

from agent.probes import Reading
from agent.probes.memory import MemoryProbe

SYSTEM = [Reading("memory_total_bytes", 100), Reading("memory_available_bytes", 60)]


def _read(own):
    return list(MemoryProbe(lambda: SimpleNamespace(total=100, available=60), own).read())


def test_own_memory_is_the_proportional_share(tmp_path):
    """Pages that are shared with workers count in part; the kernel says kB and means KiB."""
    own = tmp_path / "smaps_rollup"
    own.write_text("00400000-7fff ---p 0 00:00 0 [rollup]\nRss: 9000 kB\nPss:    2000 kB\n")

    assert _read(own) == [*SYSTEM, Reading("memory_agent_bytes", 2000 * 1024)]


@pytest.mark.parametrize("text", [None, "", "Rss: 1 kB\n", "Pss:\n", "Pss: many kB\n"])
def test_kernel_that_does_not_say_is_silence(tmp_path, text):
    """The memory of the device is still reported."""
    own = tmp_path / "smaps_rollup"
    if text is not None:
        own.write_text(text)

    assert _read(own) == SYSTEM
