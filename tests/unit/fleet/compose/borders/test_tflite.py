"""Borders of TFLite files."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from fleet.compose import numerics
from fleet.compose.borders import ADAPTED, Change
from fleet.compose.borders.tflite import TfliteBorder
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
from tests.fixtures.stages import tflite_conv, tflite_int8, write_tflite
from tests.fixtures.tflite_builder import INT8, TfliteModel

BY, TO = Quantisation(scale=0.02, zero_point=-3), Quantisation(scale=0.05, zero_point=100)
TO_LAST, TO_FIRST = Transpose((0, 2, 3, 1)), Transpose((0, 3, 1, 2))
X = np.random.default_rng(0).random((1, 6, 5, 3), np.float32)


def run(path, **inputs):
    """Run a model by its signature and return its outputs by name."""
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(path), experimental_op_resolver_type=resolver)
    for detail in interpreter.get_input_details():
        interpreter.resize_tensor_input(detail["index"], inputs[detail["name"]].shape)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], inputs[detail["name"]])
    interpreter.invoke()
    return {d["name"]: interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()}


def test_inputs_and_outputs_are_read_as_contracts(tmp_path):
    """With what their integers stand for."""
    path = tflite_int8(tmp_path / "a.tflite", (1, 6, 5, 4), of=(0.5, -3))

    face = TfliteBorder().read(path, 1)

    assert str(face.inputs[0]) == (
        "stage 1 (tflite) 'x': int8[1,6,5,4], scale 0.5, zero point -3, layout not said"
    )
    assert face.names == {"x", "y"}


def test_scales_for_each_channel_are_told(tmp_path):
    """Nothing at a border is adapted to them."""
    model = TfliteModel()
    taken, given = (model.tensor(n, (2, 1), INT8, scales=[0.1, 0.2]) for n in ("x", "y"))
    model.operator("RELU", [taken], [given])
    write_tflite(tmp_path / "a.tflite", model, taken, given)

    (contract,) = TfliteBorder().read(tmp_path / "a.tflite", 0).inputs

    assert (contract.per_channel, contract.quantisation) == (True, None)


@pytest.mark.parametrize("name", ["outside", "x"])
def test_an_input_comes_as_it_travels(tmp_path, name):
    """Also with another batch than the file was written for."""
    model = tflite_conv(tmp_path / "a.tflite", 3, 4)
    batch = np.concatenate([X, X[:, ::-1]])
    expected = run(model, x=batch)["y"]
    border = TfliteBorder()
    face = border.read(model, 0)
    outside = after(face.inputs[0], [TO_FIRST]).named(name)

    border.write(model, [Change("x", outside, (TO_LAST,))], [Change("y", face.outputs[0])])

    assert np.array_equal(run(model, **{name: batch.transpose(0, 3, 1, 2)})["y"], expected)


@pytest.mark.parametrize("name", ["outside", "y"])
def test_an_output_leaves_as_it_travels(tmp_path, name):
    """Several steps follow each other."""
    model = tflite_conv(tmp_path / "a.tflite", 3, 4)
    before = run(model, x=X)["y"]
    border, steps = TfliteBorder(), (Quantize(3, BY), TO_FIRST)
    face = border.read(model, 0)
    outside = after(face.outputs[0], steps).named(name)

    border.write(model, [Change("x", face.inputs[0])], [Change("y", outside, steps)])

    got, expected = run(model, x=X)[name], numerics.applied(steps, before)
    assert numerics.quanta_apart(steps, got, expected) <= 1
    assert {one.name for one in border.read(model, 0).outputs} == {name}


def test_names_change_alone(tmp_path):
    """The signature has them, too."""
    model = tflite_conv(tmp_path / "a.tflite", 3, 4)
    expected = run(model, x=X)["y"]
    border = TfliteBorder()
    face = border.read(model, 0)

    border.write(
        model,
        [Change("x", face.inputs[0].named("in:0"))],
        [Change("y", face.outputs[0].named("out"))],
    )

    signature = Interpreter(str(model)).get_signature_list()["serving_default"]
    assert signature == {"inputs": ["in:0"], "outputs": ["out"]}
    assert np.array_equal(run(model, **{"in:0": X})["out"], expected)


@pytest.mark.parametrize(
    ("kind", "dtype", "quantised", "steps"),
    [
        (np.float32, 1, None, (TO_LAST,)),
        (np.float32, 1, None, (Reshape(("N", 1, 6, 5, 3)),)),
        (np.float32, 1, None, (Cast(10),)),
        (np.float32, 1, None, (Quantize(3, BY),)),
        (np.float32, 1, None, (Quantize(2, TO),)),
        (np.float32, 1, None, (Quantize(5, Quantisation(scale=0.01, zero_point=0)),)),
        (np.int8, 3, BY, (TO_FIRST, Dequantize(BY, 3))),
        (np.uint8, 2, TO, (Dequantize(TO, 2),)),
        (np.int8, 3, BY, (Dequantize(BY, 3), Quantize(2, TO))),
        (np.int16, 5, Quantisation(scale=0.01, zero_point=0), (TO_LAST,)),
    ],
)
def test_an_adapter_alone_gives_what_numpy_gives(tmp_path, kind, dtype, quantised, steps):
    """Within a quantum; what is not rounded, bit by bit."""
    like = tflite_conv(tmp_path / "like.tflite", 3, 4)
    made = Contract(
        stage=0,
        format="tflite",
        name="m",
        dtype=dtype,
        shape=("N", 6, 5, 3),
        quantisation=quantised,
    )
    array = (X * 100 - 50 * (kind is not np.uint8)).astype(kind)

    TfliteBorder().alone(tmp_path / "alone.tflite", like, made, steps)

    expected = numerics.applied(steps, array)
    got = run(tmp_path / "alone.tflite", m=array)[ADAPTED]
    assert numerics.quanta_apart(steps, got, expected) <= 1
