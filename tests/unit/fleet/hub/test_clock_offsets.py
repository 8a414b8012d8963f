"""How clocks are compared by the frames that went around."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.hub.clock_offsets import ClockOffsets

DELAYS = st.integers(0, 5_000_000)
OFFSETS = st.integers(-(10**15), 10**15)


def _frame(offsets, delays, begin):
    """Return the hops of one frame: (clock, sent, clock, had) by each clock's own time."""
    names = ["client", *[f"d{n}" for n in range(len(offsets))], "client"]
    by = dict(zip(names[1:-1], offsets, strict=True)) | {"client": 0}
    at, hops = begin, []
    for source, target, delay in zip(names, names[1:], delays, strict=False):
        hops.append((source, at + by[source], target, at + delay + by[target]))
        at += delay + 1000
    return hops


@given(
    st.lists(OFFSETS, min_size=1, max_size=4),
    st.lists(st.lists(DELAYS, min_size=5, max_size=5), min_size=1, max_size=8),
)
def test_true_offset_is_within_the_error(offsets, frames):
    """Whatever the delays: the bounds are what physics allows, nothing is guessed."""
    clocks = ClockOffsets()
    for number, delays in enumerate(frames):
        for hop in _frame(offsets, delays, number * 10**9):
            clocks.hop(*hop, 0.0)

    for number, offset in enumerate(offsets):
        found = clocks.offset(f"d{number}", "client", 0.0)
        assert abs(found.nanoseconds - offset) <= found.error_nanoseconds + 1


def test_equal_ways_give_the_exact_offset():
    """The middle of the bounds is right where both ways take equally long."""
    clocks = ClockOffsets()
    for hop in _frame([7_000_000], [250_000, 250_000], 0):
        clocks.hop(*hop, 0.0)

    assert clocks.offset("d0", "client", 0.0) == (7_000_000, 250_000)


def test_fast_frames_narrow_the_error():
    """One frame that met no queue is worth more than a hundred that did."""
    clocks = ClockOffsets()
    for hop in _frame([0], [9_000_000, 9_000_000], 0):
        clocks.hop(*hop, 0.0)
    wide = clocks.offset("d0", "client", 0.0)
    for hop in _frame([0], [100_000, 100_000], 10**9):
        clocks.hop(*hop, 1.0)

    assert clocks.offset("d0", "client", 1.0).error_nanoseconds < wide.error_nanoseconds / 10


def test_one_clock_needs_no_estimate():
    """Processes of one machine share theirs."""
    assert ClockOffsets().offset("c", "c", 0.0) == (0.0, 0.0)


def test_clocks_without_a_way_back_cannot_be_compared():
    """Half a bound is no offset."""
    clocks = ClockOffsets()
    clocks.hop("a", 0, "b", 5, 0.0)

    assert clocks.offset("b", "a", 0.0) is None


def test_old_bounds_are_loosened_and_then_forgotten():
    """Clocks drift apart, so what was seen a minute ago says little, and later nothing."""
    clocks = ClockOffsets()
    for hop in _frame([0], [100_000, 100_000], 0):
        clocks.hop(*hop, 0.0)

    assert clocks.offset("d0", "client", 0.0).error_nanoseconds == pytest.approx(100_000)
    assert clocks.offset("d0", "client", 35.0).error_nanoseconds > 2_000_000
    assert clocks.offset("d0", "client", 120.0) is None


def test_what_is_learnt_is_bounded():
    """Clients come and go, each with a clock of its own."""
    clocks = ClockOffsets()
    for number in range(2000):
        clocks.hop(f"c{number}", 0, "d", 1, float(number))

    assert clocks.offset("d", "c0", 2000.0) is None
    assert len(clocks._bounds) <= 256


def test_bounds_that_contradict_each_other_give_no_offset():
    """A clock was moved, or somebody lies: rather nothing than a wrong time."""
    clocks = ClockOffsets()
    for offset in (0, 10_000_000_000):
        for hop in _frame([offset], [100_000, 100_000], 0):
            clocks.hop(*hop, 0.0)

    assert clocks.offset("d0", "client", 0.0) is None
