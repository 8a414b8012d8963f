"""Numbers that describe many."""

import statistics

import numpy as np
import pytest

from wire.statistics import median_interval, median_within, quantile, settled


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1, 100)])
def test_a_quantile_is_one_of_the_values(share, expected):
    """The smallest that so many do not exceed, in any order given."""
    assert quantile(list(range(100, 0, -1)), share) == expected


def test_a_single_value_is_every_quantile():
    """Nothing is made up between values."""
    assert [quantile([7.0], share) for share in (0.01, 0.5, 0.99)] == [7.0, 7.0, 7.0]


def test_the_interval_holds_the_median_about_as_often_as_it_says():
    """Of 1000 samples of a known distribution, some 95 %."""
    random = np.random.default_rng(1)
    samples = [list(random.exponential(size=40)) for _ in range(1000)]

    held = [low <= np.log(2) <= high for low, high in map(median_interval, samples)]

    assert 0.93 <= statistics.fmean(held) <= 0.99


def test_more_values_make_the_interval_narrower():
    """Ten times as many: about a third."""
    random = np.random.default_rng(2)
    few, many = (median_interval(list(random.normal(size=n))) for n in (30, 3000))

    assert many[1] - many[0] < (few[1] - few[0]) / 3


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([100, 100], False),
        ([100, 109, 95], True),
        ([100, 130, 95], False),
        ([10, 100, 101, 99], True),
        ([100, 101, 99, 10], False),
    ],
)
def test_settled_looks_at_the_last_values_alone(values, expected):
    """Three within 10 % of their mean; too few are never settled."""
    assert settled(values, 3, 0.1) is expected


@pytest.mark.parametrize("values", [[3.0], [3.0, 1.0], [5.0, 1.0, 3.0, 2.0]])
def test_few_values_allow_no_narrower_interval_than_all_of_them(values):
    """Four rounds say little."""
    assert median_interval(values) == (min(values), max(values))


@pytest.mark.parametrize(
    ("values", "known"),
    [
        ([100.0] * 9, False),
        ([100.0] * 10, True),
        ([99.0, 101.0] * 20, True),
        ([90.0, 110.0] * 20, False),
        ([97.0] * 20 + [100.0] * 20 + [104.0] * 20, False),
        ([100.0] * 30 + [1000.0] * 4, True),
    ],
)
def test_a_median_is_known_when_neither_chance_nor_a_drift_can_move_it(values, known):
    """Within 3 %; a few that took long do not matter."""
    assert median_within(values, 0.03) is known
