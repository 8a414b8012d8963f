"""Operators on weights alone: computed once where that is small and changes no bit."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fleet import split_folder
from fleet.formats import CutRequest
from fleet.split import split
from tests.unit.fleet.conftest import F, model, node, numbers, value, weight

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def cut(saved, tmp_path):
    """Return a function that cuts a model at a tensor; gives the two segments' graphs."""

    def cut(made, at):
        path = saved(made)
        split(path, tmp_path / "out", CutRequest(at=(at,)))
        folders = sorted((tmp_path / "out" / "segments").iterdir())
        return [
            onnx.load(folder / "segment.onnx", load_external_data=False).graph for folder in folders
        ]

    return cut


def kinds(graph):
    """Return the operators of a graph."""
    return [one.op_type for one in graph.node]


def test_arithmetic_on_shapes_becomes_a_weight(cut):
    """What exporters leave of sizes and scales is a number in every segment that reads it."""
    made = model(
        [
            node("Shape", ["w"], ["shape"]),
            node("Gather", ["shape", "zero"], ["rows"]),
            node("Concat", ["rows", "minus_one"], ["target"], axis=0),
            node("Reshape", ["x", "target"], ["a"]),
            node("Relu", ["a"], ["b"]),
            node("Reshape", ["b", "target"], ["y"]),
        ],
        [value("x", F, (4, 8))],
        [value("y", F, None)],
        [weight("w", 8, 64), numbers("zero", 0), numbers("minus_one", -1)],
    )

    head, tail = cut(made, "a")

    assert (kinds(head), kinds(tail)) == (["Reshape"], ["Relu", "Reshape"])
    (target,) = (t for t in tail.initializer if t.name == "target")
    assert numpy_helper.to_array(target).tolist() == [8, -1]


@pytest.mark.parametrize("reader", ["MatMul", "Gemm"])
def test_what_a_product_reads_is_left_to_the_runtime(cut, reader):
    """A weight that is known beforehand is rearranged, and then not every bit is the same."""
    made = model(
        [
            node("Transpose", ["w"], ["turned"], perm=[1, 0]),
            node("Relu", ["x"], ["a"]),
            node(reader, ["a", "turned"], ["y"]),
        ],
        [value("x", F, (4, 8))],
        [value("y", F, (4, 16))],
        [weight("w", 16, 8)],
    )

    _, tail = cut(made, "a")

    assert kinds(tail) == ["Transpose", reader]


def test_large_results_stay_computed(cut):
    """They would make a segment larger."""
    made = model(
        [
            node("Neg", ["w"], ["minus"]),
            node("Relu", ["x"], ["a"]),
            node("Add", ["a", "minus"], ["y"]),
        ],
        [value("x", F, (300, 300))],
        [value("y", F, (300, 300))],
        [weight("w", 300, 300)],
    )

    _, tail = cut(made, "a")

    assert kinds(tail) == ["Neg", "Add"]


def test_an_operator_that_nobody_needs_does_not_hinder(saved, tmp_path, run_whole, run_chain):
    """A dead reader of what was computed goes with it."""
    made = model(
        [
            node("Neg", ["k"], ["minus"]),
            node("Add", ["x", "minus"], ["a"]),
            node("Relu", ["a"], ["y"]),
            node("Abs", ["minus"], ["dead"]),
        ],
        [value("x", F, (4, 8))],
        [value("y", F, (4, 8))],
        [weight("k", 8)],
    )
    path = saved(made)

    split(path, tmp_path / "out", CutRequest(stages=2, balance="flops"))

    feeds, expected = run_whole(path)
    got = run_chain(tmp_path / "out" / "segments", feeds)
    np.testing.assert_array_equal(got["y"], expected["y"])
    assert split_folder.read(tmp_path / "out").segments[0].operators == 1
