"""Which operator chose the indices in an output."""

import pytest
from onnx import TensorProto, helper

from fleet.verify.choices import choice
from fleet.verify.ties import Choice, Step

node = helper.make_node


def graph(*nodes):
    """Return a graph of these operators alone."""
    return helper.make_graph(list(nodes), "g", [], [])


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (node("ArgMax", ["s"], ["y"], axis=2), Choice("y", "ArgMax", "y", "s", 2)),
        (node("ArgMin", ["s"], ["y"]), Choice("y", "ArgMin", "y", "s", 0)),
        (node("TopK", ["s", "k"], ["v", "y"]), Choice("y", "TopK", "y", "s", -1)),
        (
            node("NonMaxSuppression", ["boxes", "s"], ["y"]),
            Choice("y", "NonMaxSuppression", "y", "s", -1),
        ),
    ],
    ids=lambda made: getattr(made, "op_type", ""),
)
def test_an_output_may_be_the_choice_itself(made, expected):
    """With its scores, and its axis or the operator's own default."""
    assert choice(graph(made), "y") == expected


def test_operators_that_move_indices_are_followed():
    """In the order from the choice to the output; casts and shapes keep the order of elements."""
    found = choice(
        graph(
            node("ArgMax", ["s"], ["i"], axis=1),
            node("Unsqueeze", ["i", "axes"], ["a"]),
            node("Cast", ["a"], ["b"], to=TensorProto.FLOAT),
            node("Transpose", ["b"], ["c"], perm=[1, 0]),
            node("Gather", ["c", "which"], ["d"], axis=1),
            node("Transpose", ["d"], ["e"]),
            node("Squeeze", ["e"], ["f"]),
            node("Identity", ["f"], ["g"]),
            node("Flatten", ["g"], ["h"]),
            node("Reshape", ["h", "shape"], ["y"]),
        ),
        "y",
    )

    assert found.steps == (
        Step("shape", "a"),
        Step("shape", "b"),
        Step("transpose", "c", (1, 0)),
        Step("gather", "d", (1,), "which"),
        Step("transpose", "e"),
        *(Step("shape", name) for name in "fghy"),
    )
    assert found.tensors == ("i", "s", "a", "b", "c", "d", "which", "e", "f", "g", "h", "y")


@pytest.mark.parametrize(
    "nodes",
    [
        [node("TopK", ["s", "k"], ["y", "places"])],
        [node("ArgMax", ["s"], ["i"]), node("Add", ["i", "one"], ["y"])],
        [node("ArgMax", ["s"], ["i"]), node("Gather", ["table", "i"], ["y"])],
        [node("ArgMax", ["s"], ["y"], domain="own")],
        [node("NonMaxSuppression", ["boxes"], ["y"])],
        [node("Identity", ["y"], ["y"])],
        [node("Reshape", [], ["y"])],
        [],
    ],
    ids=["values", "computed", "looked up", "domain", "no scores", "circle", "no input", "nothing"],
)
def test_anything_else_is_no_choice(nodes):
    """What is computed from indices has no scores to compare."""
    assert choice(graph(*nodes), "y") is None
