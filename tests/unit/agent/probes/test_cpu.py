from collections import namedtuple
from types import SimpleNamespace

from agent.probes import Reading
from agent.probes.cpu import CpuProbe

Times = namedtuple("Times", "user nice system idle iowait guest")


def _probe(*times, frequency=lambda: None, cores=lambda: None):
    script = iter(times)
    return CpuProbe(times=lambda: next(script), frequency=frequency, cores=cores)


def test_busy_ratio_is_that_between_two_reads():
    """Of 10 s of all cores, 4 were neither idle nor waiting; guests are in user already."""
    probe = _probe(Times(10, 0, 5, 100, 1, 9), Times(12, 1, 6, 105, 2, 11))

    first, second = list(probe.read()), list(probe.read())

    assert (first, second) == ([], [Reading("cpu_busy_ratio", 0.4)])


def test_clock_that_stood_still_or_went_back_gives_no_ratio():
    """Counters are reset when a processor is plugged; nothing is divided by zero."""
    probe = _probe(Times(10, 0, 5, 100, 1, 9), Times(10, 0, 5, 100, 1, 9), Times(1, 0, 0, 9, 0, 0))

    assert [list(probe.read()) for _ in range(3)] == [[], [], []]


def test_ratio_stays_between_0_and_1():
    """The kernel's idle time may go back by a tick."""
    probe = _probe(Times(10, 0, 0, 100, 0, 0), Times(13, 0, 0, 99, 0, 0))
    list(probe.read())

    assert list(probe.read()) == [Reading("cpu_busy_ratio", 1.0)]


def test_cores_and_frequency_are_read_where_they_are_known():
    """The library speaks of MHz; we say hertz."""
    probe = _probe(
        Times(0, 0, 0, 0, 0, 0),
        frequency=lambda: SimpleNamespace(current=1500.0),
        cores=lambda: 4,
    )

    assert list(probe.read()) == [
        Reading("cpu_cores_total", 4),
        Reading("cpu_frequency_hertz", 1.5e9),
    ]


def test_frequency_that_cannot_be_read_is_silence():
    """A virtual machine has no such file."""

    def missing():
        raise FileNotFoundError

    assert list(_probe(Times(0, 0, 0, 0, 0, 0), frequency=missing).read()) == []
