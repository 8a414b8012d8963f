"""Every codec, found by itself, writes what it can read again."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wire import codecs, frame, plugins
from wire.errors import FrameError
from wire.frame import Frame, Kind

NAMES = plugins.names("wire.codecs")
ARRAYS = hnp.arrays(
    st.sampled_from([np.dtype("<f4"), np.dtype("<i8"), np.dtype("?")]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


def carried(name, array):
    """Return an array after its way through a frame."""
    made = Frame(Kind.DATA, 1, 1, meta={"codec": name}, tensors=codecs.tensors({"x": array}, name))
    data = b"".join(memoryview(b).cast("B") for b in frame.encode(made))
    return codecs.arrays(frame.decode(data))["x"]


@pytest.mark.parametrize("name", NAMES)
@given(array=ARRAYS)
def test_shape_and_type_survive(name, array):
    """Whatever a codec does to the elements, the array that comes back fits the table."""
    back = carried(name, array)

    assert (back.shape, back.dtype) == (array.shape, array.dtype)
    assert not back.flags.writeable


@pytest.mark.parametrize("name", NAMES)
def test_bytes_of_another_length_are_refused(name):
    """Cut or extended data is a frame error, never another array."""
    (tensor,) = codecs.tensors({"x": np.arange(8, dtype=np.float32)}, name)
    for data in (bytes(tensor.data)[:-1], bytes(tensor.data) + b"\0" * 64):
        wrong = Frame(
            Kind.DATA, 1, 1, meta={"codec": name},
            tensors=(msgspec.structs.replace(tensor, data=memoryview(data)),),
        )  # fmt: skip
        with pytest.raises(FrameError):
            codecs.arrays(wrong)
