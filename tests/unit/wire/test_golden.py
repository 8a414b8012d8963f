"""Golden frames: inputs and expected outputs in one frame."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import frame, golden
from wire.errors import FrameError
from wire.frame import Frame, Kind, Tensor

TENSORS = st.dictionaries(st.text(max_size=6), st.binary(max_size=20), min_size=1, max_size=3).map(
    lambda named: tuple(Tensor(name, 2, (len(b),), memoryview(b)) for name, b in named.items())
)


@given(TENSORS, TENSORS)
def test_inputs_and_outputs_come_back(inputs, outputs):
    """Both sides keep their names, also when an input and an output share one."""
    data = b"".join(map(bytes, frame.encode(golden.join(inputs, outputs))))

    assert golden.split(frame.decode(data)) == (inputs, outputs)


@pytest.mark.parametrize("name", ["x", "input:x", "IN:x", ""])
def test_a_tensor_that_is_neither_is_refused(name):
    """A golden frame holds nothing but inputs and expected outputs."""
    bad = Frame(Kind.DATA, 0, 0, tensors=(Tensor(name, 2, (0,), memoryview(b"")),))

    with pytest.raises(FrameError, match="neither input nor output"):
        golden.split(bad)


def test_nothing_to_compare_is_refused():
    """Without an expected output a golden frame would prove nothing."""
    bad = golden.join((Tensor("x", 2, (0,), memoryview(b"")),), ())

    with pytest.raises(FrameError, match="without an expected output"):
        golden.split(bad)
