"""Arrays become a frame's tensors and come back."""

import tracemalloc

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wire import codecs, frame, tensors
from wire.errors import FrameError, TensorSpecError, UnknownPluginError
from wire.frame import Frame, Kind, Tensor

ARRAYS = st.sampled_from(list(codecs.DTYPES.values())).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0))
)


def through_the_wire(arrays):
    """Encode a frame of ``arrays``, join it as a socket would, and decode it."""
    sent = Frame(Kind.DATA, 1, 2, tensors=codecs.tensors(arrays))
    received = frame.decode(b"".join(memoryview(b).cast("B") for b in frame.encode(sent)))
    return codecs.arrays(received)


@given(st.dictionaries(st.text(max_size=8), ARRAYS, max_size=4))
def test_arrays_come_back_as_they_were(arrays):
    """Every element type, rank and size, scalars and empty arrays too, survive bit for bit."""
    back = through_the_wire(arrays)

    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert back[name].tobytes() == array.tobytes()


@given(ARRAYS)
def test_description_is_that_of_the_table(array):
    """What `describe` says of an array is what the frame's table says of it."""
    (tensor,) = codecs.tensors({"x": array})

    assert codecs.describe({"x": array}) == {"x": (tensor.dtype, tensor.shape)}
    assert tensor.data.nbytes == tensors.size_bytes(tensor.dtype, tensor.shape)


def test_every_element_type_has_a_dtype_of_its_size():
    """The table covers what may cross a cut, with the sizes that `wire.tensors` says."""
    sizes = {number: dtype.itemsize for number, dtype in codecs.DTYPES.items()}

    assert sizes == {n: element.size_bytes for n, element in tensors.ELEMENT_TYPES.items()}


def test_a_contiguous_array_is_not_copied():
    """The tensor's data is the array's own memory."""
    array = np.zeros((2, 3), np.float32)
    (tensor,) = codecs.tensors({"x": array})

    array[1, 2] = 7

    assert codecs.arrays(Frame(Kind.DATA, 0, 0, tensors=(tensor,)))["x"][1, 2] == 7


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3).T,
        np.arange(8, dtype=np.int64)[::2],
        np.arange(4, dtype=">i4"),
        np.broadcast_to(np.float32(1.5), (2, 2)),
    ],
    ids=["transposed", "strided", "big-endian", "broadcast"],
)
def test_other_memory_orders_are_put_right(array):
    """An array that does not lie as it travels is copied, and its values are kept."""
    back = through_the_wire({"x": array})["x"]

    np.testing.assert_array_equal(back, array)


def test_received_arrays_cannot_be_written():
    """A frame's memory is shared: nobody writes into it through an array."""
    back = through_the_wire({"x": np.ones(3, np.float32)})["x"]

    with pytest.raises(ValueError, match="read-only"):
        back[0] = 2


@pytest.mark.parametrize(
    ("dtype", "shape", "size"),
    [(1, (2, 3), 20), (1, (2, 3), 28), (7, (), 4), (9, (0, 5), 1), (8, (1,), 4)],
)
def test_data_that_does_not_fit_its_entry_is_refused(dtype, shape, size):
    """Too few bytes, too many, or an element type that does not travel is a frame error."""
    bad = Tensor("x", dtype, shape, memoryview(bytes(size)))

    with pytest.raises(FrameError, match="tensor 'x'"):
        codecs.arrays(Frame(Kind.DATA, 0, 0, tensors=(bad,)))


def test_a_shape_that_no_array_can_have_is_refused():
    """Zero elements with an enormous other dimension is a frame error, not numpy's."""
    bad = Tensor("x", 1, (0, 1 << 63), memoryview(b""))

    with pytest.raises(FrameError, match="is no array"):
        codecs.arrays(Frame(Kind.DATA, 0, 0, tensors=(bad,)))


@pytest.mark.parametrize("codec", ["zip", "../raw", "", 7, None])
def test_an_unknown_codec_is_a_frame_error(codec):
    """A frame that names a codec we do not have is refused and says what there is."""
    with pytest.raises(FrameError, match="codec"):
        codecs.arrays(Frame(Kind.DATA, 0, 0, meta={"codec": codec}))


def test_sending_with_an_unknown_codec_names_the_file_to_add():
    """The sender's mistake is the plugin error."""
    with pytest.raises(UnknownPluginError, match=r"add wire/codecs/zip\.py"):
        codecs.tensors({}, codec="zip")


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None]), np.zeros(2, np.complex64)])
def test_arrays_that_may_not_travel_are_refused_by_name(array):
    """Strings, objects and complex numbers have no number on the wire."""
    with pytest.raises(TensorSpecError, match=r"tensor .x.: .*may not travel"):
        codecs.tensors({"x": array})


@given(st.dictionaries(st.text(max_size=8), ARRAYS, max_size=4))
def test_a_known_table_writes_what_a_description_writes(arrays):
    """Tensors made at once are sent as the same bytes as tensors described one by one."""
    at_once = Frame(Kind.DATA, 1, 2, tensors=codecs.tensors(arrays))
    one_by_one = msgspec.structs.replace(
        at_once, tensors=tuple(tensor for tensor in at_once.tensors)
    )

    assert b"".join(frame.encode(one_by_one)) == b"".join(frame.encode(at_once))


@given(st.dictionaries(st.text(max_size=8), ARRAYS, max_size=4))
def test_arrays_of_one_view_are_those_of_each_tensor(arrays):
    """What is read of the payloads as a whole is what each tensor says by itself."""
    sent = Frame(Kind.DATA, 1, 2, tensors=codecs.tensors(arrays))
    received = frame.decode(b"".join(frame.encode(sent)))
    apart = msgspec.structs.replace(received, tensors=tuple(received.tensors))

    at_once, one_by_one = codecs.arrays(received), codecs.arrays(apart)

    assert list(one_by_one) == list(at_once)
    for name, array in one_by_one.items():
        assert (array.dtype, array.shape) == (at_once[name].dtype, at_once[name].shape)
        assert array.tobytes() == at_once[name].tobytes()


@pytest.mark.parametrize(
    ("dtype", "size", "shape"), [(1, 20, (2, 3)), (9, 1, (0, 5)), (1, 0, (0, 1 << 63))]
)
def test_a_received_tensor_that_is_no_array_is_refused_by_name(dtype, size, shape):
    """A table that does not fit its tensor's elements is right as a table, and is no array."""
    tensor = Tensor("x", dtype, shape, memoryview(bytes(size)))
    received = frame.decode(b"".join(frame.encode(Frame(Kind.DATA, 0, 0, tensors=(tensor,)))))

    with pytest.raises(FrameError, match="tensor 'x'"):
        codecs.arrays(received)


@pytest.mark.parametrize("count", [1, 4, 16])
def test_no_payload_is_copied(count):
    """Arrays to a frame's buffers, and a frame's memory to arrays: a few KB beside 16 MB."""
    arrays = {f"t{n}": np.zeros((1 << 22) // count, np.float32) for n in range(count)}
    data = b"".join(frame.encode(Frame(Kind.DATA, 1, 1, tensors=codecs.tensors(arrays))))

    tracemalloc.start()
    try:
        buffers = frame.encode(Frame(Kind.DATA, 1, 1, tensors=codecs.tensors(arrays)))
        back = codecs.arrays(frame.decode(data))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(back) == count < len(buffers)
    assert most < 64 << 10
