"""Files of samples: frames back to back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import frame, samples
from wire.errors import FrameError
from wire.frame import Frame, Kind, Tensor


def tensor(name, content):
    """Return a tensor of bytes."""
    return Tensor(name, 2, (len(content),), memoryview(content))


def joined(buffers):
    """Return the bytes that a file of these buffers would hold."""
    return b"".join(memoryview(buffer).cast("B") for buffer in buffers)


SAMPLES = st.lists(
    st.dictionaries(st.text(max_size=5), st.binary(max_size=100), max_size=3).map(
        lambda named: tuple(tensor(name, content) for name, content in named.items())
    ),
    max_size=4,
)


@given(SAMPLES)
def test_samples_come_back_in_order(given_samples):
    """Whatever was written is read, empty samples too."""
    back = samples.decode(joined(samples.encode(given_samples)))

    assert back == given_samples


def test_a_sample_may_have_more_tensors_than_a_frame():
    """Many tensors are spread over several frames and come back as one sample."""
    many = tuple(tensor(f"t{n}", bytes([n % 256])) for n in range(frame.MAX_TENSORS * 2))

    back = samples.decode(joined(samples.encode([many, many[:1]])))

    assert back == [many, many[:1]]


def test_each_frame_is_aligned():
    """Frames begin at multiples of 64, so aligned memory holds aligned tensors."""
    data = joined(samples.encode([(tensor("x", b"abc"),), (tensor("y", b"d"),)]))

    assert len(data) % frame.ALIGNMENT == 0
    assert data.rindex(frame.MAGIC) % frame.ALIGNMENT == 0


@pytest.mark.parametrize("sequence", [1, 7])
def test_samples_out_of_order_are_refused(sequence):
    """A file begins with sample 0 and leaves none out."""
    data = joined(frame.encode(Frame(Kind.DATA, 0, sequence)))

    with pytest.raises(FrameError, match=f"sample {sequence} is out of order"):
        samples.decode(data)


@given(SAMPLES.filter(bool), st.data())
def test_a_truncated_file_is_refused_or_shorter(given_samples, data):
    """Cut anywhere, a file gives an error or whole samples only, never half of one."""
    whole = joined(samples.encode(given_samples))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]

    try:
        back = samples.decode(cut)
    except FrameError:
        return
    assert back == given_samples[: len(back)]
