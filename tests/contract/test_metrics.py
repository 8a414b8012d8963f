"""Every output metric, found by itself, passes what is equal and fails what is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wire import plugins
from wire.manifest import Tolerance

NAMES = plugins.names("fleet.metrics")
ARRAYS = hnp.arrays(
    st.sampled_from([np.dtype(kind) for kind in ("f4", "f2", "f8", "i8", "u1", "?")]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
ROW = np.float32([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1]])
CLASSES = np.array([1, 0])


def score(name, got, expected):
    """Compare one output, as verify does."""
    metric = plugins.load("fleet.metrics", name)()
    return metric.compare({"y": got}, {"y": expected}, Tolerance())


@pytest.mark.parametrize("name", NAMES)
@given(array=ARRAYS)
def test_what_is_equal_passes(name, array):
    """Whatever the type and shape, numbers or not, empty or not."""
    found = score(name, array, array.copy())

    assert found.passes
    assert found.name == name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (ROW[:, ::-1], ROW),
        (ROW[:1], ROW),
        (ROW.astype(np.float64), ROW),
        (ROW * np.float32(np.nan), ROW),
        (CLASSES[::-1], CLASSES),
        (CLASSES.astype(np.int32), CLASSES),
        (np.array([True]), np.array([False])),
    ],
    ids=["values", "shape", "type", "no number", "classes", "type of classes", "boolean"],
)
def test_a_wrong_answer_never_passes(name, got, expected):
    """Other values, shapes and types are found by every metric, floats or not."""
    assert not score(name, got, expected).passes


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_answer_scores_worse_than_a_right_one(name):
    """The direction of the score is the one that it says."""
    assert score(name, ROW[:, ::-1], ROW).worse_than(score(name, ROW, ROW))


@pytest.mark.parametrize("name", NAMES)
def test_every_output_counts(name):
    """One wrong output among right ones is found."""
    metric = plugins.load("fleet.metrics", name)()
    right = {"a": ROW, "b": CLASSES}

    assert metric.compare(right, right, Tolerance()).passes
    for wrong in ({"a": ROW[:, ::-1]}, {"b": CLASSES[::-1]}):
        assert not metric.compare({**right, **wrong}, right, Tolerance()).passes
