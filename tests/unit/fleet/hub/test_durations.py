"""Sparse histograms."""

from hypothesis import given
from hypothesis import strategies as st

from fleet.hub.durations import Durations, added
from wire.histogram import Histogram

VALUES = st.lists(st.integers(0, 1 << 40), max_size=60)


def _durations(values):
    full = Histogram()
    for value in values:
        full.add(value)
    return full, Durations.from_message(full.to_message())


@given(VALUES, st.sampled_from([0.5, 0.95, 1.0]))
def test_percentiles_are_those_of_the_full_histogram(values, q):
    """What is sparse loses nothing."""
    full, sparse = _durations(values)
    exact = full.percentile(q)

    assert sparse.percentile_seconds(q) == (None if exact is None else exact / 1e9)
    assert Durations.from_message(sparse.to_message()) == sparse


@given(VALUES, VALUES)
def test_percentiles_of_several_come_from_their_buckets(first, second):
    """Never from their percentiles: one slow stream among many fast ones is not averaged away."""
    together = added([_durations(first)[1], _durations(second)[1]])

    assert together == _durations([*first, *second])[1]


@given(VALUES, VALUES)
def test_difference_is_what_came_between(before, after):
    """A later total holds the earlier one, and their difference is what was added."""
    earlier, later = _durations(before)[1], _durations([*before, *after])[1]

    assert later.holds(earlier)
    assert later.since(earlier) == _durations(after)[1]


def test_smaller_total_does_not_hold_a_larger_one():
    """So a late word, or another worker's, is known."""
    assert not _durations([1])[1].holds(_durations([1, 5_000_000])[1])
