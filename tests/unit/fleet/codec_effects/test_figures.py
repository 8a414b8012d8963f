"""How far outputs are from others, and whether that is within bounds."""

import numpy as np
import pytest

from fleet.codec_effects.figures import figures, merged, relative_l2
from fleet.codec_effects.report import Bounds, Figures

ONES = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    ("got", "expected", "ratio"),
    [
        ([3.0, 4.0], [3.0, 4.0], 0),
        ([3.0, 4.5], [3.0, 4.0], 0.1),
        ([0.0, 0.0], [0.0, 0.0], 0),
        ([0.0, 1.0], [0.0, 0.0], np.inf),
        ([np.nan, 4.0], [np.nan, 4.0], 0),
        ([np.inf, 4.0], [np.inf, 5.0], 0.2),
        ([np.nan, 4.0], [3.0, 4.0], np.inf),
        ([3.0, 4.0], [np.nan, 4.0], np.inf),
        ([-np.inf, 4.0], [np.inf, 4.0], np.inf),
        ([], [], 0),
    ],
)
def test_relative_l2(got, expected, ratio):
    """What is no number counts as infinitely far, but where it is expected."""
    found = relative_l2(np.array(got, np.float32), np.array(expected, np.float32))

    assert found == pytest.approx(ratio)


def test_the_worst_output_counts():
    """Of floats; indices and classes are only compared for agreement."""
    expected = {"a": ONES, "b": ONES * 10, "index": np.array([[1, 2]])}
    got = {"a": ONES * 1.5, "b": ONES * 11, "index": np.array([[1, 9]])}

    found = figures(got, expected)

    assert (found.max_abs, found.relative_l2) == (1.0, pytest.approx(0.5))
    assert found.top1 == 0.5


@pytest.mark.parametrize(
    ("shape", "agreement"), [((4, 3), 0.5), ((2, 2, 3), 0.5), ((1, 1, 4, 3), None), ((12,), None)]
)
def test_agreement_is_that_of_rows_of_scores(shape, agreement):
    """A map or a single vector has none."""
    expected = np.zeros((4, 3), np.float32)
    expected[:, 0] = 1
    got = expected.copy()
    got[:2, 1] = 2

    found = figures({"y": got.reshape(shape)}, {"y": expected.reshape(shape)})

    assert found.top1 == agreement


def test_inputs_together_are_the_worst_and_the_mean():
    """One bad input is not averaged away; agreement is a share."""
    one = Figures(max_abs=1, relative_l2=0.5, top1=1.0)
    other = Figures(max_abs=2, relative_l2=0.1, top1=0.5)

    assert merged([one, other]) == Figures(max_abs=2, relative_l2=0.5, top1=0.75)


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        (Bounds(), ()),
        (Bounds(max_relative_l2=0.1, max_abs=3, min_top1=0.9), ()),
        (Bounds(max_relative_l2=0.04), ("relative L2 0.05 (at most 0.04)",)),
        (Bounds(max_abs=1, min_top1=0.99),
         ("max abs 3 (at most 1)", "top-1 agreement 0.9 (at least 0.99)")),
    ],
)  # fmt: skip
def test_bounds_say_what_breaks_them(bounds, said):
    """Each with the figure and the bound; what reaches a bound keeps it."""
    assert bounds.broken(Figures(max_abs=3, relative_l2=0.05, top1=0.9)) == said


def test_bounds_say_what_keeps_them():
    """What is not broken, in the same words."""
    bounds = Bounds(max_relative_l2=0.1, max_abs=1, min_top1=0.9)
    found = bounds.kept(Figures(max_abs=3, relative_l2=0.05, top1=0.9))

    assert found == ("relative L2 0.05 (at most 0.1)", "top-1 agreement 0.9 (at least 0.9)")


def test_what_is_no_number_breaks_every_bound():
    """Also an agreement that no output has."""
    bounds = Bounds(max_relative_l2=1e9, max_abs=1e9, min_top1=0.0001)

    assert len(bounds.broken(Figures(max_abs=np.nan, relative_l2=np.nan, top1=None))) == 3
