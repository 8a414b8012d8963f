import pytest

from agent.probes.clock import ClockProbe, ask_kernel
from tests.fixtures.devices import JETSON_ORIN, MAINLINE_PI, RASPBERRY_PI_4


def _unasked():
    raise AssertionError("nobody should be asked")


@pytest.mark.parametrize("kept", [True, False])
def test_the_kernel_knows_best(told, kept):
    """Where it may be asked, nothing else is."""
    found = told(ClockProbe, JETSON_ORIN, kernel=lambda: kept, chrony=_unasked)

    assert found["clock_synchronised_flag",] == kept


@pytest.mark.parametrize(("tree", "kept"), [(RASPBERRY_PI_4, 1), (JETSON_ORIN, 0)])
def test_timesyncd_is_next(told, tree, kept):
    """The hardened unit may not ask the kernel; timesyncd leaves a file when it has succeeded."""
    found = told(ClockProbe, tree, kernel=lambda: None, chrony=_unasked)

    assert found["clock_synchronised_flag",] == kept


def test_chrony_is_asked_last_and_rarely(probe):
    """A process once a minute at most."""
    asked, now = [], [0.0]
    looking = probe(
        ClockProbe,
        MAINLINE_PI,
        kernel=lambda: None,
        chrony=lambda: not asked.append(now[0]),
        clock_seconds=lambda: now[0],
    )
    flags = [{r.name: r.value for r in looking.read()} for now[0] in (0.0, 10.0, 59.0, 60.0)]

    assert asked == [0.0, 60.0]
    assert flags[1]["clock_synchronised_flag"] == 1


def test_nobody_knows_is_silence(told):
    """No guess."""
    found = told(ClockProbe, MAINLINE_PI, kernel=lambda: None, chrony=lambda: None)

    assert ("clock_synchronised_flag",) not in found


@pytest.mark.parametrize(("now", "flag"), [(1000.0, 0), (999.0, 1), (0.0, 1)])
def test_time_before_the_agent_was_installed_is_impossible(told, now, flag):
    """A computer without a clock of its own starts in 1970, or where it was shut down."""
    found = told(ClockProbe, MAINLINE_PI, unix_seconds=lambda: now, not_before=1000.0)

    assert found["clock_impossible_flag",] == flag


def test_kernel_answers_without_privileges():
    """Or says that it may not be asked; never an exception."""
    assert ask_kernel() in {True, False, None}
