import pytest

from agent.probes import Reading
from agent.probes.cpu import CpuProbe
from tests.fixtures.devices import JETSON_ORIN, X86_LAPTOP


def _ratios(tmp_path, *lines):
    """Return the busy ratio of each read, None where there is none."""
    probe, ratios = CpuProbe(tmp_path / "sys", tmp_path), []
    for line in lines:
        (tmp_path / "stat").write_text(line)
        found = [r.value for r in probe.read() if r.name == "cpu_busy_ratio"]
        ratios.append(found[0] if found else None)
    return ratios


def test_busy_ratio_is_that_between_two_reads(tmp_path):
    """Of 10 ticks of all cores 4 were neither idle nor waiting; guests are in user already."""
    before, after = "cpu 10 0 5 100 1 0 0 0 9 0\ncpu0 1\n", "cpu 12 1 6 105 2 0 0 0 11 0\ncpu0 1\n"

    assert _ratios(tmp_path, before, after) == [None, 0.4]


def test_clock_that_stood_still_or_went_back_gives_no_ratio(tmp_path):
    """Counters are reset when a processor is plugged; nothing is divided by zero."""
    lines = ["cpu 10 0 5 100 1 0 0 0\n", "cpu 10 0 5 100 1 0 0 0\n", "cpu 1 0 0 9 0 0 0 0\n"]

    assert _ratios(tmp_path, *lines) == [None, None, None]


def test_ratio_stays_between_0_and_1(tmp_path):
    """The kernel's idle time may go back by a tick."""
    assert _ratios(tmp_path, "cpu 10 0 0 100 0 0 0 0", "cpu 13 0 0 99 0 0 0 0") == [None, 1.0]


@pytest.mark.parametrize(("tree", "hertz"), [(X86_LAPTOP, 1.8e9), (JETSON_ORIN, 1.5104e9)])
def test_frequency_is_the_mean_of_the_groups_of_cores(told, tree, hertz):
    """The kernel speaks of kHz; we say hertz."""
    assert told(CpuProbe, tree)["cpu_frequency_hertz",] == hertz


def test_what_is_not_known_is_silence(tmp_path):
    """A virtual machine has no frequency, a container perhaps no statistics."""
    probe = CpuProbe(tmp_path, tmp_path, cores=lambda: None, own_seconds=lambda: 7.5)

    assert list(probe.read()) == [Reading("cpu_agent_seconds", 7.5)]
