"""The best labels of a score vector."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.pictures import labels
from paceline.pictures.errors import AnswerError
from paceline.pictures.labels import Meaning
from wire.manifest import Answer


def block(**changes):
    """Return a block that shows everything."""
    return Answer(**{"kind": "labels", "output": "y", "threshold": 0.0, **changes})


def softmax(values):
    """Return softmax, as in the books."""
    powers = np.exp(np.array(values))
    return powers / powers.sum()


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=12))
def test_logits_become_probabilities(logits):
    """Softmax, unless the numbers could be probabilities already."""
    logits[0] = -1.0  # no probability: these are logits

    found = labels.best(np.array([logits]), block(top=20))

    assert {one.meaning for one in found} == {Meaning.PROBABILITY}
    by_index = [one.score for one in sorted(found, key=lambda one: one.index)]
    np.testing.assert_allclose(by_index, softmax(logits), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_probabilities_stay_as_they_are(dtype):
    """They sum up to 1: a second softmax would flatten them."""
    scores = np.array([[0.1, 0.7, 0.2]], dtype)

    found = labels.best(scores, block(top=2))

    assert [(one.index, one.meaning) for one in found] == [(1, "probability"), (2, "probability")]
    np.testing.assert_allclose([one.score for one in found], (0.7, 0.2), atol=1e-3)


def test_independent_scores_stay_as_they_are():
    """A sigmoid for each label: they do not sum up to 1, and are no logits."""
    found = labels.best(np.array([0.9, 0.8, 0.05]), block(top=2))

    assert [(one.index, one.score, one.meaning) for one in found] == [
        (0, 0.9, "score"),
        (1, 0.8, "score"),
    ]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [(np.array([0, 255, 51], np.uint8), [1, 0.2]), (np.array([-128, 127, -77], np.int8), [1, 0.2])],
)
def test_integers_are_scores_in_the_range_of_their_type(scores, expected):
    """As quantised classifiers give them."""
    found = labels.best(scores, block(top=2))

    assert [one.score for one in found] == pytest.approx(expected)


def test_the_best_come_first_and_equal_ones_by_index():
    """A stable order, whatever the sort."""
    found = labels.best(np.array([0.2, 0.3, 0.2, 0.3]), block())

    assert [one.index for one in found] == [1, 3, 0, 2]


def test_scores_below_the_threshold_are_not_shown():
    """At most `top`, and only those that are sure enough."""
    found = labels.best(np.array([0.5, 0.3, 0.2]), block(threshold=0.25))

    assert [one.index for one in found] == [0, 1]


def test_names_come_from_the_manifest():
    """Without names, the index is the name."""
    scores = np.array([[[[0.2]], [[0.8]]]])

    named = labels.best(scores, block(top=1, labels=("cat", "dog")))
    bare = labels.best(scores, block(top=1))

    assert [named[0].name, bare[0].name] == ["dog", "1"]


def test_labels_become_json():
    """What `run --json` prints."""
    found = labels.best(np.array([0.25, 0.75]), block(top=1))

    assert msgspec.json.decode(msgspec.json.encode(found)) == [
        {"index": 1, "name": "1", "score": 0.75, "meaning": "probability"}
    ]


@pytest.mark.parametrize(
    ("scores", "changes", "problem"),
    [
        (np.ones((2, 3)), {}, r"is \[2, 3\] \(expected one vector"),
        (np.ones((0,)), {}, r"is \[0\]"),
        (np.array([1.0, np.nan]), {}, "holds NaN or infinity"),
        (np.array([1.0, np.inf]), {}, "holds NaN or infinity"),
        (np.ones(3), {"labels": ("a", "b")}, "got 2 names for 3 scores"),
    ],
)
def test_what_is_no_score_vector_is_refused(scores, changes, problem):
    """A failed inference must not look like an answer."""
    with pytest.raises(AnswerError, match=problem) as caught:
        labels.best(scores, block(**changes))

    assert caught.value.exit_code == 3
