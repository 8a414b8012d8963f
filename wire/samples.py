"""A file of samples: frames back to back, each beginning at a multiple of 64.

Sample ``n`` is what the frames of sequence number ``n`` hold together: more tensors than one
frame may have are spread over several. Children that run a model outside a pipeline are given
their inputs, and give their outputs, in such a file.

No I/O here, and no copies: tensors are views into the caller's memory.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from wire import frame
from wire.buffers import Buffer
from wire.errors import FrameError
from wire.frame import Frame, Kind, Tensor

Sample = tuple[Tensor, ...]

_TENSORS_A_FRAME: Final = 64
"""Few enough that names of any sane length fit a frame's table."""


def encode(samples: Sequence[Sequence[Tensor]]) -> list[Buffer]:
    """Return the file's buffers, in order.

    Raises:
        FrameError: A tensor cannot be described.
    """
    buffers: list[Buffer] = []
    for number, sample in enumerate(samples):
        for tensors in _groups(sample):
            made = frame.encode(Frame(Kind.DATA, 0, number, tensors=tensors))
            buffers += [*made, bytes(-frame.total_bytes(made) % frame.ALIGNMENT)]
    return buffers


def decode(data: Buffer) -> list[Sample]:
    """Return the samples in ``data``; their tensors are views into it.

    Raises:
        FrameError: Something else than whole frames in the order of their samples.
    """
    view = memoryview(data).cast("B")
    samples: list[Sample] = []
    at = 0
    while at < view.nbytes:
        size = frame.decode_head(view[at:], max_frame_bytes=view.nbytes - at).total_bytes
        part = frame.decode(view[at : at + size], max_frame_bytes=size)
        if part.sequence == len(samples):
            samples.append(tuple(part.tensors))
        elif part.sequence == len(samples) - 1:
            samples[-1] += tuple(part.tensors)
        else:
            raise FrameError(f"sample {part.sequence} is out of order", at_byte=at)
        at += size + -size % frame.ALIGNMENT
    return samples


def _groups(sample: Sequence[Tensor]) -> Iterator[Sample]:
    rest = iter(sample)
    group = tuple(islice(rest, _TENSORS_A_FRAME))
    yield group  # a sample without tensors is a sample too
    while group := tuple(islice(rest, _TENSORS_A_FRAME)):
        yield group
