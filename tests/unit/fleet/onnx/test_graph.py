"""What is read from a graph: order, constants, captures; and what parts of it need."""

import pytest
from onnx import TensorProto, helper

from fleet.model_graph import parts as onnx_parts
from fleet.model_graph.parts import Interface
from fleet.onnx import graph as onnx_graph
from wire.model.errors import ModelMalformedError

node = helper.make_node


def graph_of(nodes, inputs, outputs, initializers=()):
    """Read a graph without types."""
    values = [
        [helper.make_empty_tensor_value_info(n) for n in names] for names in (inputs, outputs)
    ]
    weights = [helper.make_tensor(name, TensorProto.FLOAT, [1], [0.0]) for name in initializers]
    return onnx_graph.read(helper.make_graph(nodes, "g", *values, weights), "m.onnx")


def names(graph, indices):
    """Return the first output of each operator."""
    return [graph.operators[index].writes[0] for index in indices]


@pytest.fixture
def ladder():
    """Encoder and decoder: b, c go down; each is used again on the way up."""
    return graph_of(
        [
            node("A", ["x"], ["b"]),
            node("A", ["b"], ["c"]),
            node("A", ["b"], ["side"]),
            node("A", ["c"], ["d"]),
            node("A", ["d", "c"], ["e"]),
            node("A", ["e", "side"], ["y"]),
        ],
        ["x"],
        ["y"],
    )


def test_a_graph_in_any_order_is_put_right():
    """Operators stand after those they read; a valid order of the file is kept."""
    mixed = graph_of([node("A", ["b"], ["y"]), node("A", ["x"], ["b"])], ["x"], ["y"])

    assert names(mixed, mixed.moving) == ["b", "y"]


def test_what_no_output_needs_is_left_out():
    """Dead operators are in no segment."""
    graph = graph_of([node("A", ["x"], ["y"]), node("A", ["x"], ["dead"])], ["x"], ["y"])

    assert names(graph, graph.moving) == ["y"]


def test_values_of_weights_alone_are_constant(make_model):
    """Constants follow from weights through operators; anything random is not one."""
    graph = graph_of(
        [
            node("A", ["w"], ["w2"]),
            node("A", ["x", "w2"], ["a"]),
            node("RandomNormalLike", ["w"], ["noise"]),
            node("A", ["a", "noise"], ["y"]),
        ],
        ["x"],
        ["y"],
        ["w"],
    )

    assert [graph.is_constant(name) for name in ("w", "w2", "a", "noise")] == [
        True,
        True,
        False,
        False,
    ]
    assert names(graph, graph.moving) == ["a", "noise", "y"]


def test_a_function_with_randomness_inside_is_not_constant():
    """A call of the model's own function is as random as what it calls."""
    opset = [helper.make_opsetid("", 17)]
    inner = helper.make_function(
        "own", "Inner", ["p"], ["q"], [node("Bernoulli", ["p"], ["q"])], opset
    )
    call = node("Inner", ["p"], ["q"], domain="own")
    outer = helper.make_function("own", "Outer", ["p"], ["q"], [call], opset)
    graph = helper.make_graph(
        [node("Outer", ["w"], ["y"], domain="own")],
        "g",
        [],
        [helper.make_empty_tensor_value_info("y")],
        [helper.make_tensor("w", TensorProto.FLOAT, [1], [0.0])],
    )

    assert not onnx_graph.read(graph, "m.onnx", [outer, inner]).is_constant("y")


def test_what_bodies_capture_counts_as_read(make_model):
    """If and Loop read what their bodies, and bodies in them, take from outside."""
    graph = onnx_graph.read(make_model("bodies").graph, "m.onnx")
    reads = {operator.node.op_type: operator.reads for operator in graph.operators}

    assert set(reads["If"]) == {"flag", "a", "w2", "b"}
    assert set(reads["Loop"]) == {"three", "c", "chosen"}


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        ([node("A", ["x"], ["y"]), node("A", ["x"], ["y"])], "made twice"),
        ([node("A", ["x"], ["x"]), node("A", ["x"], ["y"])], "made twice"),
        ([node("A", ["ghost"], ["y"])], "nothing makes it"),
        ([node("A", ["x"], ["z"])], "nothing makes it"),
        ([node("A", ["y"], ["a"]), node("A", ["a", "x"], ["y"])], "depend on themselves"),
    ],
)
def test_a_graph_that_is_none_is_refused(nodes, problem):
    """Tensors made twice, by nobody, or of themselves are named."""
    with pytest.raises(ModelMalformedError, match=problem):
        graph_of(nodes, ["x"], ["y"])


def test_closure_is_all_that_a_tensor_depends_on(ladder):
    """A cut at a tensor takes everything before it along."""
    assert names(ladder, sorted(onnx_parts.closure(ladder, ["e"]))) == ["b", "c", "d", "e"]


def test_a_part_takes_gives_and_passes_on(ladder):
    """Inputs and outputs are of the part itself; what crosses may have passed it by."""
    done = onnx_parts.closure(ladder, ["c"])
    inside = onnx_parts.closure(ladder, ["e"]) - done

    assert onnx_parts.interface(ladder, (), done) == Interface(("x",), ("b", "c"))
    assert onnx_parts.interface(ladder, done, inside) == Interface(("c",), ("e",))
    assert onnx_parts.crossing(ladder, done) == ("b", "c")
    assert onnx_parts.crossing(ladder, done | inside) == ("b", "e")


def test_early_outputs_and_late_inputs_cross_without_being_touched(make_model):
    """They are on the edges, and no segment takes or gives them again."""
    graph = onnx_graph.read(make_model("early_and_late").graph, "m.onnx")
    done = onnx_parts.closure(graph, ["a"])
    middle = onnx_parts.closure(graph, ["b"]) - done

    assert onnx_parts.crossing(graph, done) == ("late", "early", "a")
    assert onnx_parts.interface(graph, done, middle) == Interface(("a",), ("b",))


def test_constant_operators_join_every_part_that_uses_them(make_model):
    """Each segment computes the constants that it reads, and theirs."""
    graph = onnx_graph.read(make_model("bodies").graph, "m.onnx")
    choosing = {graph.maker["chosen"]}

    assert names(graph, onnx_parts.with_constants(graph, choosing)) == ["w2", "chosen"]
    assert names(graph, onnx_parts.with_constants(graph, (), ["w2"])) == ["w2"]
