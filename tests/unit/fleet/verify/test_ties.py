"""Indices that differ: ties, or differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.verify.ties import ROWS, Choice, Step, decide
from wire.manifest import Tolerance

TOLERANCE = Tolerance()
NEAR = 1 + 1e-6


def decided(choice, got, expected, **values):
    """Decide with the default tolerance; `values` are of the choice's tensors."""
    arrays = {name: np.asarray(array) for name, array in values.items()}
    arrays.setdefault(choice.indices, np.asarray(expected))
    return decide(choice, np.asarray(got), np.asarray(expected), arrays, TOLERANCE)


def choice(operator="ArgMax", axis=1, *steps):
    """Return a choice of indices `i` by scores `s`."""
    output = steps[-1].output if steps else "i"
    return Choice(output, operator, "i", "s", axis, steps)


SCORES = np.float32([[1, 3, 3 * NEAR, 0], [5, 2, 4, 5 * NEAR]])


@pytest.mark.parametrize(
    ("got", "tied"),
    [
        ([1, 3], [True, False]),
        ([2, 0], [False, True]),
        ([1, 0], [True, True]),
        ([0, 3], [False, False]),
        ([2, 9], [False, False]),
        ([2, -1], [False, False]),
    ],
)
@pytest.mark.parametrize("kept", [True, False], ids=["axis kept", "axis dropped"])
def test_an_entry_as_good_as_the_best_is_a_tie(got, tied, kept):
    """Its score is within the tolerance of the best; another, or none at all, is a difference."""
    shape = (2, 1) if kept else (2,)
    got, expected = np.reshape(got, shape), np.reshape([2, 3], shape)

    verdict = decided(choice(), got, expected, s=SCORES)

    assert verdict.tied.reshape(-1).tolist() == tied
    assert verdict.tied.shape == shape
    assert verdict.largest_gap < 1e-4


def test_the_evidence_is_in_numbers():
    """How far the scores are apart: of ties, and of what is none."""
    verdict = decided(choice(), [1, 2], [2, 3], s=SCORES)

    assert verdict.largest_gap == pytest.approx(3e-6, rel=0.1)
    assert verdict.largest_other_gap == pytest.approx(1, rel=1e-3)
    assert verdict.evidence.startswith("the scores that ArgMax chose by are at most ")


def test_negative_axes_count_from_the_end():
    """As in ONNX."""
    assert decided(choice(axis=-1), [1, 3], [2, 3], s=SCORES).tied.tolist() == [True, False]
    assert decided(choice(axis=-3), [1, 3], [2, 3], s=SCORES) is None


@pytest.mark.parametrize(
    ("got", "tied"),
    [
        ([[2, 1, 0], [3, 0, 2]], [[False] * 3, [False] * 3]),
        ([[1, 2, 0], [3, 0, 2]], [[True, True, False], [False] * 3]),
        ([[2, 1, 0], [0, 3, 2]], [[False] * 3, [True, True, False]]),
        ([[2, 0, 1], [3, 0, 2]], [[False, False, False], [False] * 3]),
    ],
)
def test_entries_that_change_places_are_a_tie_when_they_are_as_good(got, tied):
    """The order of TopK; entries with other scores in another order are a difference."""
    expected = [[2, 1, 0], [3, 0, 2]]

    assert decided(choice("TopK"), got, expected, s=SCORES).tied.tolist() == tied


def test_one_entry_twice_is_no_tie():
    """However good it is: no choice names an entry twice."""
    assert decided(choice("TopK"), [[2, 2], [3, 0]], [[2, 1], [3, 0]], s=SCORES) is None


def test_scores_that_are_no_numbers_are_no_evidence():
    """NaN is near nothing; an infinity is as good as itself."""
    scores = np.float32([[np.nan, 1], [np.inf, np.inf], [np.inf, 1]])

    verdict = decided(choice(), [0, 0, 1], [1, 1, 0], s=scores)

    assert verdict.tied.tolist() == [False, True, False]


STEPS = (
    Step("shape", "flat"),
    Step("gather", "some", axes=(0,), chosen="which"),
    Step("transpose", "turned", axes=(1, 0)),
    Step("shape", "out"),
)


def test_elements_are_followed_to_where_they_were_chosen():
    """Through shapes, gathers and transposes; a cast to floats changes nothing."""
    scores = np.float32([[0, 1, NEAR], [3, 5, 1], [2, 2 * NEAR, 0], [9, 0, 1]])
    which = np.array([2, 0])
    values = {"i": [[2], [1], [1], [0]], "flat": [[2], [1], [1], [0]], "which": which}
    values |= {"some": [[1], [2]], "turned": [[1, 2]], "out": [1, 2]}

    verdict = decided(
        choice("ArgMax", 1, *STEPS), np.float32([0, 0]), np.float32([1, 2]), s=scores, **values
    )

    assert verdict.tied.tolist() == [True, False]


@pytest.mark.parametrize(
    ("got", "problem"),
    [([0.5, 2.0], "no integer"), ([np.nan, 2.0], "no number"), ([np.inf, 2.0], "no index")],
)
def test_what_is_no_index_is_no_tie(got, problem):
    """A float output of indices may hold anything after a difference."""
    assert decided(choice(), np.float32(got), np.float32([1, 2]), s=SCORES, i=[1, 2]) is None


def test_an_output_of_another_shape_inside_is_no_evidence():
    """The run that looked inside gave something else than the one that was compared."""
    assert decided(choice(), [1, 3], [2, 3], s=SCORES, i=[2, 3, 1]) is None
    steps = (Step("shape", "out"),)
    assert decided(choice("ArgMax", 1, *steps), [1, 3], [2, 3], s=SCORES, out=[1]) is None


BOXES = np.float32([[[0.9, 0.5, 0.5 * NEAR, 0.1], [0.2, 0.9 * NEAR, 0.3, 0.3]]])


@pytest.mark.parametrize(
    ("got", "tied"),
    [
        ([[0, 0, 0], [0, 0, 1], [0, 1, 1]], [1]),
        ([[0, 1, 1], [0, 0, 2], [0, 0, 0]], [0, 2]),
        ([[0, 0, 0], [0, 0, 3], [0, 1, 1]], []),
        ([[0, 0, 2], [0, 0, 0], [0, 1, 1]], []),
        ([[0, 0, 0], [0, 0, 7], [0, 1, 1]], []),
    ],
)
def test_rows_that_replace_each_other_are_a_tie_when_they_are_as_good(got, tied):
    """Of NonMaxSuppression: in another order, or another row; by the scores of rows."""
    expected = [[0, 0, 0], [0, 0, 2], [0, 1, 1]]

    verdict = decided(choice(ROWS), got, expected, s=BOXES)

    differ = np.any(np.array(got) != expected, axis=1)
    assert np.flatnonzero(verdict.tied.any(axis=1)).tolist() == tied
    assert bool(verdict.largest_other_gap) == (differ.sum() > len(tied))


def test_a_row_twice_is_no_tie():
    """A detection that was lost must be found."""
    got, expected = [[0, 0, 2], [0, 0, 2]], [[0, 0, 2], [0, 0, 1]]

    assert decided(choice(ROWS), got, expected, s=BOXES) is None


def test_a_column_of_rows_is_enough():
    """Networks give the boxes alone; batch and class are the model's."""
    steps = (Step("gather", "boxes", axes=(1,), chosen="two"), Step("shape", "out"))
    rows = np.array([[0, 0, 0], [0, 0, 2], [0, 1, 1]])

    verdict = decided(
        choice(ROWS, -1, *steps), [0, 1, 3], [0, 2, 1],
        s=BOXES, i=rows, two=[2], boxes=rows[:, [2]], out=[0, 2, 1],
    )  # fmt: skip

    assert verdict.tied.tolist() == [False, True, False]


@given(st.data())
def test_a_tie_is_never_more_than_the_tolerance_apart(data):
    """Whatever was chosen instead, what is called a tie is one, and nothing else differs."""
    count = data.draw(st.integers(2, 6))
    score = st.sampled_from([0.0, 1e-6, 1.0, NEAR, 2.0, -1.0])
    scores = np.array(data.draw(st.lists(score, min_size=count, max_size=count)))
    got = data.draw(st.integers(0, count - 1))
    best = int(scores.argmax())

    verdict = decided(choice(axis=0), np.array(got), np.array(best), s=scores)

    near = abs(scores[got] - scores[best]) <= 1e-5 + 1e-4 * abs(scores[best])
    assert bool(verdict.tied) == (got != best and bool(near))
