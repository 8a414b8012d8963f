"""Which call into a library counts as one that never ends."""

import time

import numpy as np
import pytest

from agent.worker.calls import SWAPPING, TIMES_LONGER, Call, Looks, Pace, counted

ROW = {"x": np.zeros(8, np.int8)}
ROWS = {"x": np.zeros((10, 8), np.int8)}


def run_of(pace, least_seconds=0.0):
    """A call that has begun, and not ended."""
    call = Call("run", "onnx_cpu", least_seconds, pace)
    call._began, call._inputs = 0.0, ROW
    return call


def test_seconds_are_counted_look_by_look():
    """Only what was seen of a run makes it overdue."""
    call = run_of(Pace(), least_seconds=2.5)

    assert [call.seen(now, 1.0) for now in (1.0, 2.0, 3.0)] == [False, False, True]
    assert call.seconds == 3.0


def test_what_has_not_begun_is_not_overdue():
    """Nor is what has ended."""
    call = Call("run", "onnx_cpu", 0.0, Pace())

    assert not call.seen(5.0, 1.0)
    assert call.run(lambda _: ROW, ROW) is ROW
    assert not call.seen(time.monotonic() + 5.0, 1.0)


@pytest.mark.parametrize("seconds", [0.1, 600.0])
def test_time_in_which_the_process_stood_still_does_not_count(seconds):
    """Stopped for ten minutes it is a second older; one that swaps, a tenth of that."""
    assert counted(seconds, swapping=False) == min(seconds, 1.0)
    assert counted(seconds, swapping=True) == pytest.approx(min(seconds, 1.0) * SWAPPING)


def test_a_run_on_more_may_take_longer_in_proportion():
    """A batch, a larger image: what is known is how long a smaller one took."""
    pace = Pace()
    pace.took(0.5, ROW)

    assert pace.allowed_seconds(ROW) == TIMES_LONGER * 0.5
    assert pace.allowed_seconds(ROWS) == TIMES_LONGER * 5.0
    assert pace.allowed_seconds({}) == TIMES_LONGER * 0.5


def test_a_first_run_that_had_to_read_is_forgotten():
    """Mapped weights, a cold disk: later runs say what is usual."""
    pace = Pace()
    pace.took(60.0, ROW)
    for _ in range(500):
        pace.took(0.5, ROW)

    assert pace.longest_seconds == 0.5


def test_a_run_that_fails_says_nothing_of_the_pace():
    """And is over."""
    call = Call("run", "onnx_cpu", 0.0, Pace())
    with pytest.raises(ZeroDivisionError):
        call.run(lambda _: 1 / 0, ROW)

    assert call.pace.longest_seconds == 0.0
    assert Looks().overdue([call]) is None
