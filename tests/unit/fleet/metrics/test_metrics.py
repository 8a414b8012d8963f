"""Scores of outputs that are equal, near, and not."""

import numpy as np
import pytest

from fleet.metrics import Score, near_share
from fleet.metrics.cosine import Cosine
from fleet.metrics.max_error import MaxError
from fleet.metrics.top1 import Top1
from wire.manifest import Tolerance

NAN, INF = float("nan"), float("inf")


def score(metric, got, expected, dtype=np.float32):
    """Compare one output by a metric, with the default tolerance."""
    got, expected = ({"y": np.array(values, dtype)} for values in (got, expected))
    return metric().compare(got, expected, Tolerance())


def test_the_largest_error_is_in_the_outputs_unit():
    """It passes by the tolerance, which grows with the expected value."""
    assert score(MaxError, [1, 100.005], [1, 100]).value == pytest.approx(0.005, rel=0.01)
    assert score(MaxError, [1, 100.005], [1, 100]).passes
    assert not score(MaxError, [1.005, 100], [1, 100]).passes


@pytest.mark.parametrize(
    ("got", "expected", "value"),
    [
        ([1, 2], [2, 4], 1),
        ([1, 0], [0, 1], 0),
        ([1, 0], [-1, 0], -1),
        ([0, 0], [0, 0], 1),
        ([0, 0], [1, 0], 0),
        ([1, 1], [0, 0], 0),
        ([[3, 4]], [[3, 4]], 1),
        ([], [], 1),
        ([1e30, 1e30], [1e30, 1e30], 1),
        ([1, NAN], [1, NAN], 1),
        ([1, NAN], [1, 2], 0),
        ([1, 2], [1, NAN], 0),
        ([1, INF], [1, INF], 1),
        ([1, INF], [1, -INF], 0),
    ],
)
def test_cosine_is_about_directions(got, expected, value):
    """Not about lengths; what is no number has to be where it is expected."""
    found = score(Cosine, got, expected)

    assert found.value == pytest.approx(value)
    assert found.passes == (value == 1)


def test_cosine_passes_from_four_nines():
    """A direction that is nearly the same."""
    assert score(Cosine, [1, 0.01], [1, 0]).passes
    assert not score(Cosine, [1, 0.02], [1, 0]).passes


@pytest.mark.parametrize(
    ("got", "expected", "value"),
    [
        ([[0, 2, 1], [5, 1, 0]], [[0, 9, 1], [2, 1, 0]], 1),
        ([[0, 2, 1], [5, 6, 0]], [[0, 9, 1], [2, 1, 0]], 0.5),
        ([1, 2], [3, 2], 0),
        ([[]], [[]], 1),
        ([[NAN, 2]], [[3, 2]], 0),
        ([[3, 2]], [[NAN, 2]], 0),
        ([[NAN, 2]], [[NAN, 2]], 1),
    ],
)
def test_top1_is_the_share_of_rows_that_agree(got, expected, value):
    """Over the last axis; a row with what is no number agrees with none without."""
    found = score(Top1, got, expected)

    assert found.value == value
    assert found.passes == (value == 1)


@pytest.mark.parametrize("got", [[[1.0], [2.5]], [[1.0], [NAN]]])
def test_top1_has_no_opinion_of_single_numbers(got):
    """They have to be near: whatever they are, their largest stands in the same place."""
    assert score(Top1, got, [[1], [2]]).value == 0.5
    assert score(Top1, [[1.00001], [2]], [[1], [2]]).passes


@pytest.mark.parametrize("metric", [MaxError, Cosine, Top1])
def test_the_worst_output_decides(metric):
    """However many others are equal."""
    good, bad = np.float32([0, 1]), np.float32([1, 0])
    equal = {"a": good, "b": good, "c": np.array([7])}

    assert metric().compare(equal, equal, Tolerance()).passes
    assert not metric().compare({**equal, "b": bad}, equal, Tolerance()).passes
    assert not metric().compare({**equal, "c": np.array([8])}, equal, Tolerance()).passes


@pytest.mark.parametrize(
    ("higher", "passing", "failing"),
    [(True, (1.0, 0.9), (0.5, NAN)), (False, (0.0, 1.0), (2, INF))],
)
def test_what_does_not_pass_is_worse(higher, passing, failing):
    """Then comes what is further from perfect, and what is no number is furthest."""
    scores = [Score("m", value, higher, True) for value in passing]
    scores += [Score("m", value, higher, False) for value in failing]

    for place, score in enumerate(scores):
        assert all(score.worse_than(better) for better in scores[:place])
        assert not any(score.worse_than(worse) for worse in scores[place + 1 :])


@pytest.mark.parametrize(
    ("got", "expected", "share"),
    [
        (np.float32([1, 2, 3, 4]), np.float32([1, 2, 3, 5]), 0.75),
        (np.array([1, 2]), np.array([1, 2]), 1.0),
        (np.array([1, 2]), np.array([1]), 0.0),
        (np.array([1.0]), np.array([1]), 0.0),
        (np.zeros((0, 2)), np.zeros((0, 3)), 0.0),
        (np.zeros((0, 2)), np.zeros((0, 2)), 1.0),
    ],
)
def test_the_share_of_near_elements(got, expected, share):
    """None of them where outputs are of another shape or type."""
    assert near_share(got, expected, Tolerance()) == share
