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
