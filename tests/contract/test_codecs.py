"""Every codec, found by itself, writes what it can read again."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wire import codec_names, codecs, frame
from wire.errors import FrameError
from wire.frame import Frame, Kind
from wire.tensors import size_bytes

NAMES = codec_names.names()
SHAPES = hnp.array_shapes(min_dims=0, max_dims=6, min_side=0, max_side=4)
FLOATS = [dtype for dtype in codecs.DTYPES.values() if dtype.kind == "f"]
EXACT = [dtype for dtype in codecs.DTYPES.values() if dtype.kind != "f"]


def arrays(dtypes, **elements):
    """Return arrays of these types in every rank up to 6, in either byte order."""
    either = [dtype.newbyteorder(order) for dtype in dtypes for order in "<>"]
    return st.sampled_from(either).flatmap(
        lambda dtype: hnp.arrays(
            dtype, SHAPES, elements=hnp.from_dtype(dtype, **elements) if elements else None
        )
    )


def carried(name, array):
    """Return an array after its way through a frame."""
    made = Frame(
        Kind.DATA, 1, 1, meta=codecs.meta({}, name), tensors=codecs.tensors({"x": array}, name)
    )
    data = b"".join(memoryview(b).cast("B") for b in frame.encode(made))
    return codecs.arrays(frame.decode(data))["x"]


def coded(name):
    """Return a tensor whose floats are coded where the codec codes any, and its array."""
    array = np.linspace(-3, 5, 120, dtype=np.float32).reshape(2, 3, 20)
    (tensor,) = codecs.tensors({"x": array}, name)
    return tensor, array


def received(name, tensor, data):
    """Return what comes out of ``data`` in the place of the tensor's."""
    wrong = Frame(
        Kind.DATA,
        1,
        1,
        meta={"codec": name},
        tensors=(msgspec.structs.replace(tensor, data=memoryview(data)),),
    )
    return codecs.arrays(wrong)["x"]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20)
@given(array=arrays(FLOATS + EXACT))
def test_shape_and_type_survive(name, array):
    """Whatever a codec does to the elements, the array that comes back fits the table."""
    back = carried(name, array)

    assert (back.shape, back.dtype) == (array.shape, array.dtype.newbyteorder("<"))
    assert not back.flags.writeable


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20)
@given(array=arrays(EXACT))
def test_what_is_no_float_comes_back_as_it_was(name, array):
    """An index, a class or a mask is never moved."""
    np.testing.assert_array_equal(carried(name, array), array)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20)
@given(array=arrays(FLOATS, allow_nan=False, allow_infinity=False))
def test_numbers_stay_numbers_and_zero_stays_zero(name, array):
    """However large or small the elements are, none becomes NaN or an infinity."""
    back = carried(name, array)

    assert np.isfinite(back).all()
    assert not back[array == 0].any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
def test_what_is_no_number_never_becomes_one(name, strange, dtype):
    """NaN and infinities arrive where they were, and the numbers beside them as well."""
    array = np.linspace(-1, 1, 60).astype(dtype).reshape(1, 3, 20)
    array[0, 1, 7] = strange

    np.testing.assert_array_equal(carried(name, array), array)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "array",
    [
        np.linspace(0, 1, 60, dtype=np.float32).reshape(3, 4, 5).T,
        np.linspace(0, 1, 60, dtype=np.float32)[::-3],
        np.broadcast_to(np.float32(1.5), (2, 3, 4)),
    ],
    ids=["transposed", "strided", "broadcast"],
)
def test_other_memory_orders_are_put_right(name, array):
    """What comes back of an array that does not lie in a row is what comes of one that does."""
    np.testing.assert_array_equal(carried(name, array), carried(name, array.copy(order="C")))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20)
@given(array=arrays(FLOATS + EXACT))
def test_the_same_array_gives_the_same_bytes(name, array):
    """A frame that is sent again is the same frame."""
    (first,) = codecs.tensors({"x": array}, name)
    (second,) = codecs.tensors({"x": array}, name)

    assert bytes(first.data) == bytes(second.data)


@pytest.mark.parametrize("name", [name for name in NAMES if name == codec_names.plain(name)])
@settings(max_examples=20)
@given(array=arrays(FLOATS + EXACT))
def test_no_codec_writes_more_than_raw(name, array):
    """What compression unpacks is bounded by that."""
    (tensor,) = codecs.tensors({"x": array}, name)

    assert tensor.data.nbytes <= size_bytes(tensor.dtype, tensor.shape)


@pytest.mark.parametrize("name", NAMES)
def test_every_truncation_is_refused(name):
    """Data that ends early, or goes on, is a frame error and never another array."""
    tensor, _ = coded(name)
    data = bytes(tensor.data)

    for wrong in (*(data[:end] for end in range(len(data))), data + b"\0", data + bytes(64)):
        with pytest.raises(FrameError):
            received(name, tensor, wrong)


@pytest.mark.parametrize("name", NAMES)
def test_every_flipped_byte_is_refused_or_makes_an_array(name):
    """A frame from a stranger can be wrong, but neither crash nor make another shape."""
    tensor, array = coded(name)
    for place in range(tensor.data.nbytes):
        data = bytearray(tensor.data)
        data[place] ^= 0xFF
        try:
            back = received(name, tensor, data)
        except FrameError:
            continue
        assert (back.shape, back.dtype) == (array.shape, array.dtype)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20)
@given(data=st.binary(max_size=300), shape=st.lists(st.integers(0, 1 << 63), max_size=5))
def test_any_bytes_and_any_shape_are_refused_or_make_an_array(name, data, shape):
    """Nor can a shape that no memory holds."""
    tensor, _ = coded(name)
    tensor = msgspec.structs.replace(tensor, shape=tuple(shape))
    try:
        back = received(name, tensor, data)
    except FrameError:
        return
    assert back.shape == tensor.shape
