"""What an application may give as the inputs of a frame."""

import array

import msgspec
import numpy as np
import pytest

from paceline import inputs
from tests.unit.paceline.planes import ROUTE
from wire import codecs, frame
from wire.errors import TensorSpecError
from wire.frame import Frame, Kind
from wire.tensors import TensorSpec

F32, I32, U8, BOOL, F16 = 1, 6, 2, 9, 10


def taken(value, dtype=F32, shape=("n",)):
    """Return what is taken for ``x``."""
    return inputs.arrays("p", [TensorSpec(name="x", dtype=dtype, shape=shape)], {"x": value})["x"]


def travelled(taken_array):
    """Return an array as it comes out at the other side."""
    made = Frame(Kind.DATA, 1, 1, tensors=codecs.tensors({"x": taken_array}))
    data = b"".join(memoryview(part).cast("B") for part in frame.encode(made))
    return codecs.arrays(frame.decode(data))["x"]


VALUES = np.arange(6, dtype=np.float32)


class Kept(np.ndarray):
    """A subclass of numpy's."""


@pytest.mark.parametrize(
    "value",
    [
        VALUES,
        VALUES.astype(">f4"),
        np.arange(12, dtype=np.float32)[::2] / 2,
        VALUES[::-1][::-1],
        np.broadcast_to(np.float32(1), 6),
        VALUES.view(Kept),
        np.ma.masked_array(VALUES, mask=False),
        memoryview(VALUES),
        array.array("f", VALUES),
        [0, 1, 2, 3, 4, 5],
        (0.0, 1.0, 2.0, 3.0, 4.0, 5.0),
    ],
    ids=[
        "plain", "big-endian", "strided", "reversed twice", "broadcast", "subclass", "no mask",
        "memoryview", "array.array", "list", "tuple",
    ],
)  # fmt: skip
def test_whatever_holds_the_elements_arrives(value):
    """In any byte order and layout, also from plain lists."""
    expected = np.asarray(value, np.float32)

    assert travelled(taken(value)).tolist() == expected.tolist()
    assert travelled(taken(value)).dtype == np.float32


def test_a_matrix_and_a_number():
    """Any rank, also none."""
    assert travelled(taken([[1.0, 2.0]], shape=(1, 2))).tolist() == [[1.0, 2.0]]
    assert travelled(taken(2.5, shape=())).tolist() == 2.5
    assert travelled(taken(np.array(2.5, np.float32), shape=())).shape == ()
    assert travelled(taken(np.float32(2.5), shape=())).tolist() == 2.5


def test_a_fitting_array_is_not_copied():
    """What is large travels from where it is."""
    assert taken(VALUES) is VALUES


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        ([1, 2], I32, [1, 2]),
        ([0, 255], U8, [0, 255]),
        ([True, False], BOOL, [True, False]),
        ([0.1], F32, [np.float32(0.1).item()]),
        ([2], F16, [2.0]),
    ],
)
def test_python_numbers_get_the_type_of_the_tensor(value, dtype, expected):
    """They have none of their own."""
    assert taken(value, dtype).tolist() == expected


@pytest.mark.parametrize(
    ("value", "dtype", "problem"),
    [
        ("text", F32, "elements of type <U4"),
        (b"text", F32, "elements of type"),
        (["a"], F32, "elements of type <U1"),
        ([1.5], I32, "elements of type float64"),
        ([True], F32, "elements of type bool"),
        ([1j], F32, "elements of type complex128"),
        ([256], U8, "numbers out of range"),
        ([-1], U8, "numbers out of range"),
        ([2**70], I32, "elements of type object"),
        ([1e300], F32, "numbers that are too large"),
        ([70000], F16, "numbers that are too large"),
        ([[1.0], [1.0, 2.0]], F32, "is no array"),
        (None, F32, "elements of type object"),
        ({}, F32, "elements of type object"),
        (np.array([1.0]), F32, "elements of type float64"),
        (np.float64(1.0), F32, "elements of type float64"),
        (np.array([object()]), F32, "elements of type object"),
        (np.array(["2020"], "datetime64[Y]"), F32, "elements of type datetime64"),
        (np.zeros(1, [("a", "f4")]), F32, "elements of type"),
        (np.ma.masked_array(VALUES, mask=VALUES > 2), F32, "masked elements"),
        (np.zeros((1, 1), np.float32), F32, "expected float32"),
        (np.zeros(0, np.float32), F32, "expected float32"),
    ],
)
def test_what_does_not_fit_is_told(value, dtype, problem):
    """The tensor, what it is, what it should be; nothing foreign is raised."""
    with pytest.raises(TensorSpecError, match=problem) as raised:
        taken(value, dtype)

    assert "tensor 'x'" in str(raised.value)
    assert "expected" in str(raised.value)


class Foreign:
    """An array of another library, on a device that numpy cannot read."""

    def __array__(self, dtype=None, copy=None):
        """Raise as such a library does."""
        raise RuntimeError("on another device")


def test_an_array_that_cannot_be_read_here():
    """Its library's reason is told."""
    with pytest.raises(TensorSpecError, match="on another device"):
        taken(Foreign())


@pytest.mark.parametrize("given", [[1, 2], np.zeros(2, np.float32), "x", None, 3])
def test_inputs_have_names(given):
    """Anything else than a mapping is answered with an example."""
    with pytest.raises(TensorSpecError, match=r"expected arrays by name, \{'x': float32\[n\]\}"):
        inputs.arrays("p", [TensorSpec(name="x", dtype=F32, shape=("n",))], given)


@pytest.mark.parametrize("given", [{}, {"y": 1}, {1: 2, "y": 3, None: 4}])
def test_a_missing_input_is_named(given):
    """With what was given instead, whatever its keys are."""
    with pytest.raises(TensorSpecError, match="tensor 'x' is missing"):
        inputs.arrays("p", [TensorSpec(name="x", dtype=F32, shape=("n",))], given)


def test_inputs_that_nobody_asked_for_are_left_out():
    """Whatever they are."""
    spec = TensorSpec(name="x", dtype=F32, shape=("n",))

    assert set(inputs.arrays("p", [spec], {"x": VALUES, "note": object()})) == {"x"}


def test_a_type_that_this_version_does_not_know():
    """A route may name one; it is told, not guessed."""
    with pytest.raises(TensorSpecError, match="element type 99"):
        taken([1.0], dtype=99)


def stream_route(*shape):
    """Return a route of a pipeline that takes one tensor ``x``."""
    spec = TensorSpec(name="x", dtype=F32, shape=shape)
    return msgspec.structs.replace(ROUTE, receives=(spec,))


def test_what_is_like_the_frame_before_is_taken_as_it_is():
    """Only what was asked for, the very arrays."""
    checked, route, next_one = inputs.Inputs(), stream_route("n"), VALUES + 1
    first = checked.arrays(route, {"x": [0.0] * 6})
    second = checked.arrays(route, {"note": object(), "x": next_one})

    assert first["x"].tolist() == [0.0] * 6
    assert list(second) == ["x"]
    assert second["x"] is next_one


@pytest.mark.parametrize(
    "other",
    [
        {"x": VALUES.astype(np.float64)},
        {"x": VALUES.astype(np.int32)},
        {"x": VALUES.reshape(2, 3)},
        {"x": np.ma.masked_array(VALUES, mask=True)},
        {"y": VALUES},
        {},
        VALUES,
        None,
    ],
    ids=["double", "integers", "rank", "masked", "missing", "empty", "no map", "nothing"],
)
def test_what_is_unlike_the_frame_before_is_checked(other):
    """A stream that begins well may go on badly, and then well again."""
    checked, route = inputs.Inputs(), stream_route("n")
    checked.arrays(route, {"x": VALUES})
    with pytest.raises(TensorSpecError, match="pipeline p"):
        checked.arrays(route, other)

    assert checked.arrays(route, {"x": VALUES[:2]})["x"].tolist() == [0.0, 1.0]


def test_a_new_route_may_take_something_else():
    """What fitted before is checked by what is asked for now."""
    checked = inputs.Inputs()
    checked.arrays(stream_route("n"), {"x": VALUES})

    with pytest.raises(TensorSpecError, match=r"expected float32\[3\]"):
        checked.arrays(stream_route(3), {"x": VALUES})
