"""Borders of ONNX files."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from fleet.compose import numerics
from fleet.compose.borders import ADAPTED, Change
from fleet.compose.borders.onnx import OnnxBorder
from fleet.compose.contract import (
    Cast,
    Contract,
    Dequantize,
    Quantisation,
    Quantize,
    Reshape,
    Transpose,
    after,
)
from fleet.compose.errors import StageError
from tests.fixtures.stages import onnx_conv, write_onnx

BY = Quantisation(scale=0.02, zero_point=-3)
TO_LAST, TO_FIRST = Transpose((0, 2, 3, 1)), Transpose((0, 3, 1, 2))
X = np.random.default_rng(0).random((1, 3, 6, 5), np.float32)


def run(path, **inputs):
    """Run a model and return its outputs by name."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def test_inputs_and_outputs_are_read_as_contracts(tmp_path):
    """With the names of dimensions, and of all tensors inside."""
    face = OnnxBorder().read(onnx_conv(tmp_path / "a.onnx", 3, 4), 2)

    assert [str(one) for one in (*face.inputs, *face.outputs)] == [
        "stage 2 (onnx) 'x': float32[N,3,6,5], layout not said",
        "stage 2 (onnx) 'y': float32[N,4,6,5], layout not said",
    ]
    assert {"x", "c", "w", "y"} <= face.names


def test_scales_are_read_from_the_operators_at_the_border(tmp_path):
    """A model of QDQ operators may be cut at integers."""
    scalars = {"s": np.float32(0.02), "z": np.int8(-3)}
    weights = [numpy_helper.from_array(np.array(v), name) for name, v in scalars.items()]
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "s", "z"], ["f"]),
        helper.make_node("Relu", ["f"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "s", "z"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.INT8, [1, 2]) for name in "xy"]
    write_onnx(tmp_path / "q.onnx", nodes, values[:1], values[1:], weights)

    face = OnnxBorder().read(tmp_path / "q.onnx", 0)

    for (contract,) in (face.inputs, face.outputs):
        assert contract.quantisation.zero_point == -3
        assert contract.quantisation.scale == pytest.approx(0.02)


@pytest.mark.parametrize("name", ["outside", "x"])
def test_an_input_comes_as_it_travels(tmp_path, name):
    """Operators at the border make of it what the model takes; its name may be the model's own."""
    model = onnx_conv(tmp_path / "a.onnx", 3, 4)
    (expected,) = run(model, x=X).values()
    border = OnnxBorder()
    face = border.read(model, 0)
    outside = after(face.inputs[0], [TO_LAST]).named(name)

    border.write(model, [Change("x", outside, (TO_FIRST,))], [Change("y", face.outputs[0])])

    onnx.checker.check_model(onnx.load(model), full_check=True)
    got = run(model, **{name: X.transpose(0, 2, 3, 1)})
    assert np.array_equal(got["y"], expected)


@pytest.mark.parametrize("name", ["outside", "y"])
def test_an_output_leaves_as_it_travels(tmp_path, name):
    """The same at the other end; several steps follow each other."""
    model = onnx_conv(tmp_path / "a.onnx", 3, 4)
    (before,) = run(model, x=X).values()
    border, steps = OnnxBorder(), (Quantize(3, BY), TO_LAST)
    face = border.read(model, 0)
    outside = after(face.outputs[0], steps).named(name)

    border.write(model, [Change("x", face.inputs[0])], [Change("y", outside, steps)])

    onnx.checker.check_model(onnx.load(model), full_check=True)
    got = run(model, x=X)
    assert np.array_equal(got[name], numerics.applied(steps, before))


def test_one_tensor_may_leave_in_two_ways(tmp_path):
    """As it is for one reader, and with an adapter for another."""
    model = onnx_conv(tmp_path / "a.onnx", 3, 4)
    border = OnnxBorder()
    face = border.read(model, 0)
    raw, moved = face.outputs[0].named("raw"), after(face.outputs[0], [TO_LAST]).named("moved")

    border.write(
        model,
        [Change("x", face.inputs[0])],
        [Change("y", raw), Change("y", moved, (TO_LAST,))],
    )

    got = run(model, x=X)
    assert np.array_equal(got["raw"].transpose(0, 2, 3, 1), got["moved"])


def test_names_change_inside_graphs_within(tmp_path):
    """A body takes tensors from outside by their names, unless it has its own of that name."""
    scalar = helper.make_tensor_value_info
    bodies = [
        helper.make_graph(
            [helper.make_node("Mul", ["x", "x"], [f"{name}_out"])],
            name,
            [],
            [scalar(f"{name}_out", TensorProto.FLOAT, None)],
        )
        for name in ("then", "else")
    ]
    node = helper.make_node("If", ["c"], ["y"], then_branch=bodies[0], else_branch=bodies[1])
    values = [scalar("c", TensorProto.BOOL, []), scalar("x", TensorProto.FLOAT, [2])]
    model = tmp_path / "if.onnx"
    write_onnx(model, [node], values, [scalar("y", TensorProto.FLOAT, [2])])
    border = OnnxBorder()
    face = border.read(model, 0)
    flag, number = face.inputs

    border.write(
        model,
        [Change("c", flag), Change("x", number.named("number"))],
        [Change("y", face.outputs[0].named("square"))],
    )

    got = run(model, c=np.array(True), number=np.float32([2, 3]))
    assert got["square"].tolist() == [4, 9]


def test_an_input_that_is_an_output_gets_a_copy(tmp_path):
    """Its name is needed on both sides."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    model = tmp_path / "a.onnx"
    node = helper.make_node("Neg", ["x"], ["y"])
    write_onnx(model, [node], values[:1], [*values[1:], values[0]])
    border = OnnxBorder()
    face = border.read(model, 0)
    negative, same = face.outputs

    border.write(
        model,
        [Change("x", face.inputs[0].named("in"))],
        [Change("y", negative), Change("x", same.named("copy"))],
    )

    got = run(model, **{"in": np.float32([1, 2])})
    assert (got["y"].tolist(), got["copy"].tolist()) == ([-1, -2], [1, 2])


@pytest.mark.parametrize(
    ("kind", "dtype", "quantised", "steps"),
    [
        (np.float32, 1, None, (TO_LAST,)),
        (np.float32, 1, None, (Cast(10),)),
        (np.float32, 1, None, (Reshape(("N", 1, 3, 6, 5)),)),
        (np.float32, 1, None, (Quantize(2, Quantisation(scale=0.01, zero_point=7)),)),
        (np.int8, 3, BY, (TO_FIRST, Dequantize(BY, 3))),
        (np.int32, 6, BY, (Dequantize(Quantisation(scale=0.5, zero_point=0), 6),)),
    ],
)
def test_an_adapter_alone_gives_what_numpy_gives(tmp_path, kind, dtype, quantised, steps):
    """Bit by bit, for every kind of step."""
    like = onnx_conv(tmp_path / "like.onnx", 3, 4)
    made = Contract(
        stage=0, format="onnx", name="m", dtype=dtype, shape=("N", 3, 6, 5), quantisation=quantised
    )
    array = (X * 100 - 50).astype(kind)

    OnnxBorder().alone(tmp_path / "alone.onnx", like, made, steps)

    expected = numerics.applied(steps, array)
    got = run(tmp_path / "alone.onnx", m=array)[ADAPTED]
    assert (got.dtype, got.tolist()) == (expected.dtype, expected.tolist())


@pytest.mark.parametrize(
    ("step", "opset", "advice"),
    [
        (Quantize(3, BY), 9, "opset 10"),
        (Quantize(5, BY), 17, "opset 21"),
        (Quantize(6, BY), 17, "int8 or float32"),
    ],
)
def test_what_an_opset_lacks_is_refused(tmp_path, step, opset, advice):
    """With the one that has it."""
    like = onnx_conv(tmp_path / "like.onnx", 3, 4, opset=opset)
    made = Contract(stage=0, format="onnx", name="m", dtype=1, shape=(1, 2))

    with pytest.raises(StageError, match=advice):
        OnnxBorder().alone(tmp_path / "alone.onnx", like, made, [step])
