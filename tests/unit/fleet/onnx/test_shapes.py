"""Shapes of tensors: declared, inferred, and agreed with a run."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from fleet.model_graph import facts as tensor_facts
from fleet.model_graph.facts import TensorFacts
from fleet.model_graph.parts import Interface
from fleet.model_graph.peak import peak_activation_bytes
from fleet.onnx import graph as onnx_graph
from fleet.onnx import shapes as onnx_shapes
from wire.model.errors import ModelError
from wire.tensors import TensorSpec

node = helper.make_node


def test_inputs_keep_their_names_sizes_and_dynamic_dimensions(make_model):
    """Dimensions are numbers, names, or open; weights listed as inputs are no inputs."""
    skips, old = make_model("skips"), make_model("old")

    assert onnx_shapes.input_specs(skips, ("x",), "m") == (
        TensorSpec(name="x", dtype=1, shape=(1, 3, "H", "W")),
    )
    assert [spec.name for spec in onnx_shapes.input_specs(old, ("x",), "m")] == ["x"]


@pytest.mark.parametrize("dimension", ["?", "", None, -1])
def test_dimensions_without_a_real_name_are_open(make_model, dimension):
    """Some exporters write a question mark, or minus one, for every size they do not know."""
    model = make_model("skips")
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", 1, [1, 3, dimension, 8]))

    assert onnx_shapes.input_specs(model, ("x",), "m")[0].shape == (1, 3, "", 8)


@pytest.mark.parametrize(
    "value",
    [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        helper.make_tensor_value_info("x", TensorProto.STRING, [1]),
        helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, [1]),
    ],
    ids=["no shape", "strings", "sequence"],
)
def test_inputs_that_frames_cannot_carry_are_refused(make_model, value):
    """The input is named."""
    model = make_model("skips")
    model.graph.input[0].CopyFrom(value)

    with pytest.raises(ModelError, match="input 'x'"):
        onnx_shapes.input_specs(model, ("x",), "m")


def test_sizes_of_inputs_give_sizes_of_all(make_model):
    """With numbers for the inputs, each tensor has numbers; large weights are not needed."""
    found = onnx_shapes.infer(make_model("chain"), {"x": (3, 8)})

    assert found["a"] == TensorFacts(1, (3, 512))
    assert found["y"].sizes == (3, 4)
    assert found["w1"].sizes == (512, 600)


def test_shapes_computed_from_shapes_are_followed(make_model):
    """Weights that are sizes are handed to the inference."""
    found = onnx_shapes.infer(make_model("types"), {"bytes": (6, 2, 4), "flag": ()})

    assert found["y"].sizes == (6, 8)
    assert found["mask"] == TensorFacts(9, (6, 2, 4))


def test_a_model_that_inference_refuses_is_not_an_error(make_model):
    """What cannot be inferred is left to a real run."""
    model = make_model("chain")
    model.graph.node[0].op_type = "NoSuchOperator"

    assert "a" not in onnx_shapes.infer(model, {"x": (3, 8)})


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([("N", 8)], ("N", 8)),
        ([("N", 7)], ("N", "")),
        ([("M", 8)], ("", 8)),
        ([("invented", "N")], ("", "")),
        ([None, ("N", 8)], ("N", 8)),
        ([("N", 8, 1)], ("", "")),
        ([("N", ""), ("", 8)], ("N", 8)),
        ([], ("", "")),
    ],
)
def test_only_what_a_run_agrees_with_is_kept(shapes, expected):
    """A wrong number, a made-up name or another rank leaves the dimension open."""
    assert tensor_facts.agreeing(shapes, [({"N": 6, "M": 3}, (6, 8))]) == expected


@pytest.mark.parametrize(
    ("shape", "expected"),
    [(("N", 8), ("N", 8)), ((6, 8), ("", 8)), (("M", 8), ("", 8)), (("N", "N"), ("N", ""))],
)
def test_what_another_run_contradicts_is_not_kept(shape, expected):
    """A number that was one example's size, or a name that had that size by chance."""
    runs = [({"N": 6, "M": 6}, (6, 8)), ({"N": 7, "M": 9}, (7, 8))]

    assert tensor_facts.agreeing([shape], runs) == expected


def test_the_peak_is_what_exists_at_once():
    """A chain needs two tensors at a time; what an output or a later reader needs stays."""
    graph = onnx_graph.read(
        helper.make_graph(
            [node("A", ["x"], ["a"]), node("A", ["a"], ["b"]), node("A", ["b", "x"], ["y"])],
            "g",
            [helper.make_empty_tensor_value_info("x")],
            [helper.make_empty_tensor_value_info("y")],
        ),
        "m",
    )
    shapes = {"x": (1,), "a": (100,), "b": (10,), "y": (1,)}
    sizes = {name: TensorFacts(1, shape) for name, shape in shapes.items()}

    peak = peak_activation_bytes(graph, (0, 1, 2), Interface(("x",), ("y",)), sizes)

    assert peak == 4 * (1 + 100 + 10)


def test_sizes_in_bytes_follow_the_element_type():
    """Unknown sizes and types that cannot travel count as nothing."""
    assert TensorFacts(7, (2, 3)).size_bytes == 48
    assert TensorFacts(1, ("N", 3)).size_bytes == 0
    assert TensorFacts(8, (2,)).size_bytes == 0
    assert numpy_helper.from_array(np.zeros((2, 3))).data_type == 11
