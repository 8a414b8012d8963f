import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import histogram
from wire.errors import MessageError
from wire.histogram import BUCKETS, Histogram

IN_RANGE = st.integers(1 << histogram.MIN_BITS, (1 << histogram.MAX_BITS) - 1)
ANY = st.integers(0, 1 << 50)


def _filled(values):
    made = Histogram()
    for value in values:
        made.add(value)
    return made


@given(IN_RANGE)
def test_the_middle_of_a_bucket_is_near_everything_in_it(value):
    """Within the promised relative error, from a microsecond to more than an hour."""
    middle = histogram.middle_ns(histogram.bucket_of(value))

    assert abs(middle - value) / value <= histogram.RELATIVE_ERROR


@given(ANY, ANY)
def test_buckets_are_in_the_order_of_their_values(a, b):
    """A longer duration never falls into an earlier bucket."""
    low, high = sorted([a, b])

    assert histogram.bucket_of(low) <= histogram.bucket_of(high)


@pytest.mark.parametrize(
    ("value", "bucket"),
    [
        (0, 0),
        (1023, 0),
        (1024, 1),
        (1151, 1),
        (1152, 2),
        (2048, 9),
        ((1 << 42) - 1, BUCKETS - 2),
        (1 << 42, BUCKETS - 1),
        (1 << 60, BUCKETS - 1),
    ],
)
def test_bucket_edges(value, bucket):
    """Eight buckets to a power of two, and one at each end for the rest."""
    assert histogram.bucket_of(value) == bucket


@given(st.lists(IN_RANGE, min_size=1, max_size=200), st.floats(0, 1))
def test_percentile_is_near_the_exact_nearest_rank(values, q):
    """Any percentile is within the relative error of the one computed from all values."""
    exact = sorted(values)[max(1, math.ceil(q * len(values))) - 1]

    got = _filled(values).percentile(q)

    assert abs(got - exact) / exact <= histogram.RELATIVE_ERROR


@given(st.lists(ANY), st.lists(ANY))
def test_merged_histograms_equal_one_that_saw_everything(first, second):
    """Adding up over stages loses nothing."""
    assert histogram.merged([_filled(first), _filled(second)]) == _filled(first + second)


@given(st.lists(ANY), st.lists(ANY))
def test_since_returns_what_was_added_after_the_copy(first, second):
    """Two states of one histogram give what happened between them."""
    whole = _filled(first)
    earlier = whole.copy()
    for value in second:
        whole.add(value)

    assert whole.since(earlier) == _filled(second)


def test_since_refuses_a_histogram_that_is_not_earlier():
    """A worker that started again has fewer counts: no delta can be made of that."""
    with pytest.raises(ValueError, match="earlier histogram holds more"):
        _filled([5000]).since(_filled([5000, 6000]))


@given(st.lists(ANY))
def test_message_round_trip_over_json(values):
    """What is sent is what arrives, and JSON's text keys are understood."""
    sent = _filled(values)

    received = Histogram.from_message(json.loads(json.dumps(sent.to_message())))

    assert sent == received


def test_message_names_only_buckets_that_hold_something():
    """A message grows with what was seen, not with the range."""
    assert _filled([1024, 1024]).to_message() == {"sum_ns": 2048, "counts": {"1": 2}}


def test_count_and_sum_are_exact():
    """Rates and means do not suffer from bucketing."""
    seen = _filled([1_000_000, 2_000_000, 4])

    assert (seen.count, seen.sum_seconds) == (3, 0.003000004)


def test_negative_duration_counts_as_zero():
    """A clock that went back must not spoil the sum."""
    seen = _filled([-5, 2000])

    assert (seen.count, seen.sum_ns, seen.counts[0]) == (2, 2000, 1)


def test_empty_histogram_has_no_percentile():
    """Nothing seen is not zero seconds."""
    assert Histogram().percentile(0.5) is None


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_percentile_outside_of_0_to_1_is_a_bug_in_the_caller(q):
    """95 instead of 0.95 is not answered."""
    with pytest.raises(ValueError, match="not between"):
        _filled([5000]).percentile(q)


def test_histogram_cannot_be_a_key():
    """It changes, so hashing it would be a trap."""
    with pytest.raises(TypeError):
        hash(Histogram())


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        {},
        {"counts": {}},
        {"sum_ns": -1, "counts": {}},
        {"sum_ns": 1.5, "counts": {}},
        {"sum_ns": True, "counts": {}},
        {"sum_ns": 1 << 70, "counts": {}},
        {"sum_ns": 0, "counts": []},
        {"sum_ns": 0, "counts": {"258": 1}},
        {"sum_ns": 0, "counts": {"-1": 1}},
        {"sum_ns": 0, "counts": {"x": 1}},
        {"sum_ns": 0, "counts": {"²": 1}},
        {"sum_ns": 0, "counts": {"1" * 5000: 1}},
        {"sum_ns": 0, "counts": {"1": -1}},
        {"sum_ns": 0, "counts": {"1": "1"}},
    ],
)
def test_message_that_is_no_histogram_is_refused(message):
    """Whatever arrives, it is a histogram or an error with a name."""
    with pytest.raises(MessageError, match="histogram message"):
        Histogram.from_message(message)
