"""A model's structure without its weights."""

import contextlib

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

from wire.model.errors import ModelMalformedError
from wire.model.skeleton import ENCODED, IN_FILE, INLINE_BYTES, skeleton

X = h.make_tensor_value_info("x", T.FLOAT, [400])
Y = h.make_tensor_value_info("y", T.FLOAT, [400])


def array(size, dtype=np.float32, seed=0):
    """Return numbers that are always the same."""
    return (np.random.default_rng(seed).random(size) * 100).astype(dtype)


def everywhere():
    """Return a model with large tensors in each place where one may stand."""

    def tensor(name, seed):
        return numpy_helper.from_array(array(400, seed=seed), name)

    body = h.make_graph(
        [h.make_node("Constant", [], ["b"], value=tensor("", 1))],
        "body",
        [],
        [h.make_tensor_value_info("b", T.FLOAT, [400])],
        [tensor("inner", 2)],
    )
    sparse = h.make_sparse_tensor(
        tensor("sparse", 3), numpy_helper.from_array(np.arange(400), "at"), [1000]
    )
    function = h.make_function(
        "own", "F", ["a"], ["c"],
        [h.make_node("Constant", [], ["c"], value=tensor("", 4))],
        [h.make_opsetid("", 17)],
    )  # fmt: skip
    graph = h.make_graph(
        [
            h.make_node("If", ["cond"], ["z"], then_branch=body, else_branch=body),
            h.make_node("F", ["x"], ["f"], domain="own"),
            h.make_node("Constant", [], ["k"], sparse_value=sparse),
            h.make_node("Add", ["x", "w"], ["y"]),
        ],
        "g",
        [X],
        [Y],
        [tensor("w", 5), numpy_helper.from_array(array(3), "small")],
        sparse_initializer=[sparse],
    )
    opsets = [h.make_opsetid("", 17), h.make_opsetid("own", 1)]
    return h.make_model(graph, opset_imports=opsets, functions=[function])


def tensors(message):
    """Yield every TensorProto in a message, in order."""
    if isinstance(message, T):
        yield message
        return
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for item in value if field.is_repeated else [value]:
                yield from tensors(item)


def followed(tensor, data):
    """Return a tensor of a skeleton with its elements, from the file."""
    known = {entry.key: entry.value for entry in tensor.external_data}
    if not known:
        return tensor
    assert known["location"] == IN_FILE
    at = int(known["offset"])
    if ENCODED in known:
        return T.FromString(data[at : at + int(known[ENCODED])])
    made = T(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    made.raw_data = data[at : at + int(known["length"])]
    return made


def test_every_large_tensor_is_a_reference_to_its_bytes():
    """Wherever it stands: graph, body, attribute, sparse tensor, function."""
    model = everywhere()
    data = model.SerializeToString()

    bare = onnx.ModelProto.FromString(skeleton(data, source="m.onnx"))

    found = list(tensors(bare))
    assert len(found) == len(list(tensors(model)))
    for small, whole in zip(found, tensors(model), strict=True):
        assert numpy_helper.to_array(followed(small, data)).tobytes() == (
            numpy_helper.to_array(whole).tobytes()
        )
        assert (small.name, small.dims) == (whole.name, whole.dims)
    assert bare.ByteSize() < 12_000  # the two lists of 400 indices stay
    assert [n.op_type for n in bare.graph.node] == [n.op_type for n in model.graph.node]


@pytest.mark.parametrize(
    ("dtype", "field", "is_raw"),
    [
        (np.float32, "float_data", True),
        (np.float64, "double_data", True),
        (np.int64, "int64_data", False),
        (np.int8, "int32_data", False),
    ],
)
def test_typed_elements_are_followed_too(dtype, field, is_raw):
    """Packed floats are raw bytes as they stand; numbers of varying length must be decoded."""
    numbers = array(20_000, dtype)
    model = everywhere()
    tensor = model.graph.initializer.add(
        name="typed", data_type=h.np_dtype_to_tensor_dtype(np.dtype(dtype)), dims=[20_000]
    )
    getattr(tensor, field).extend(numbers.tolist())
    data = model.SerializeToString()

    bare = onnx.ModelProto.FromString(skeleton(data, source="m.onnx"))

    (reference,) = (t for t in bare.graph.initializer if t.name == "typed")
    whole = numpy_helper.to_array(followed(reference, data))
    np.testing.assert_array_equal(whole, numbers)
    assert is_raw == (ENCODED not in {entry.key for entry in reference.external_data})


def test_strings_and_what_lies_in_other_files_stay():
    """They are no bytes of this file."""
    model = everywhere()
    model.graph.initializer.add(name="s", data_type=T.STRING, dims=[300]).string_data.extend(
        [b"word"] * 300
    )
    other = model.graph.initializer.add(name="o", data_type=T.FLOAT, dims=[10_000])
    other.data_location = T.EXTERNAL
    other.external_data.add(key="location", value="a" * 1200)

    bare = onnx.ModelProto.FromString(skeleton(model.SerializeToString(), source="m.onnx"))

    assert list(bare.graph.initializer[-2:]) == list(model.graph.initializer[-2:])


def test_what_only_training_needs_is_left_out():
    """A segment is for inference."""
    model = everywhere()
    model.training_info.add().algorithm.name = "sgd"

    bare = onnx.ModelProto.FromString(skeleton(model.SerializeToString(), source="m.onnx"))

    assert not bare.training_info


def test_any_truncation_is_answered():
    """With the coded error, or with a model that ended where a field did."""
    data = everywhere().SerializeToString()
    for size in range(0, len(data), 37):
        with contextlib.suppress(ModelMalformedError):
            skeleton(data[:size], source="m.onnx")


@given(st.lists(st.tuples(st.integers(0, 12_000), st.integers(0, 255)), max_size=6))
def test_any_wrong_byte_is_answered(wrong):
    """With the coded error or a skeleton that is no larger than what was read, plus references."""
    data = bytearray(everywhere().SerializeToString())
    for at, byte in wrong:
        data[at % len(data)] = byte

    with contextlib.suppress(ModelMalformedError):
        assert len(skeleton(bytes(data), source="m.onnx")) < len(data) + 4 * INLINE_BYTES


@pytest.mark.parametrize(
    ("dtype", "shape", "inside"),
    [
        (np.int64, (8000,), True),
        (np.int64, (9000,), False),
        (np.int64, (80, 100), False),
        (np.int32, (8000,), True),
        (np.float32, (300,), False),
        (np.float32, (200,), True),
    ],
)
def test_lists_of_integers_stay_since_they_may_be_sizes(dtype, shape, inside):
    """Whoever loads a model must see them; other tensors of 1 KiB and more go."""
    model = everywhere()
    model.graph.initializer.append(numpy_helper.from_array(np.ones(shape, dtype), "many"))

    bare = onnx.ModelProto.FromString(skeleton(model.SerializeToString(), source="m.onnx"))

    assert inside == (bare.graph.initializer[-1].data_location == T.DEFAULT)
