import pytest

from agent.probes.memory import MemoryProbe
from tests.fixtures.devices import RASPBERRY_PI_4

KIB = 1024


def test_device_swap_and_own_share(told):
    """Pages that are shared with workers count in part; the kernel says kB and means KiB."""
    assert told(MemoryProbe, RASPBERRY_PI_4) == {
        ("memory_total_bytes",): 3884328 * KIB,
        ("memory_available_bytes",): 3001000 * KIB,
        ("swap_total_bytes",): 102396 * KIB,
        ("swap_free_bytes",): 102396 * KIB,
        ("memory_agent_bytes",): 31000 * KIB,
    }


def test_device_without_swap_says_nothing_of_it(told):
    """Two zeros would be two series for nothing."""
    text = "MemTotal: 100 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"

    assert told(MemoryProbe, {"proc/meminfo": text}) == {("memory_total_bytes",): 100 * KIB}


@pytest.mark.parametrize("text", ["", "Rss: 1 kB\n", "Pss:\n", "Pss: many kB\n"])
def test_kernel_that_does_not_say_is_silence(told, text):
    """Hardened kernels hide what a process uses."""
    assert told(MemoryProbe, {"proc/self/smaps_rollup": text}) == {}


def test_own_share_is_counted_once_a_minute(probe, tmp_path):
    """The kernel walks all pages for it; between, the last count is told."""
    now = [100.0]
    looking = probe(MemoryProbe, RASPBERRY_PI_4, clock_seconds=lambda: now[0])
    list(looking.read())
    (tmp_path / "proc/self/smaps_rollup").write_text("Pss:  32000 kB\n")

    told = []
    for now[0] in (159.0, 160.0):
        told += [r.value for r in looking.read() if r.name == "memory_agent_bytes"]

    assert told == [31000 * KIB, 32000 * KIB]
