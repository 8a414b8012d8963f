"""The golden frame of a segment: inputs and the outputs that the whole model gave for them.

One frame whose tensors are named ``in:<name>`` and ``out:<name>``; a device runs the inputs and
compares before the segment serves. Tensors are views; nothing is copied.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from wire.errors import FrameError
from wire.frame import Frame, Kind, Tensor

FILE_NAME: Final = "golden.frame"
INPUT_PREFIX: Final = "in:"
OUTPUT_PREFIX: Final = "out:"


def join(inputs: Iterable[Tensor], outputs: Iterable[Tensor]) -> Frame:
    """Return the golden frame of these inputs and expected outputs."""
    named = [msgspec.structs.replace(tensor, name=INPUT_PREFIX + tensor.name) for tensor in inputs]
    named += [
        msgspec.structs.replace(tensor, name=OUTPUT_PREFIX + tensor.name) for tensor in outputs
    ]
    return Frame(Kind.DATA, 0, 0, tensors=tuple(named))


def split(frame: Frame) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return inputs and expected outputs of a golden frame, under their own names.

    Raises:
        FrameError: A tensor is neither, or there is no expected output.
    """
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []
    for tensor in frame.tensors:
        for prefix, found in ((INPUT_PREFIX, inputs), (OUTPUT_PREFIX, outputs)):
            if tensor.name.startswith(prefix):
                found.append(msgspec.structs.replace(tensor, name=tensor.name.removeprefix(prefix)))
                break
        else:
            raise FrameError(f"golden tensor {tensor.name!r:.80} is neither input nor output")
    if not outputs:
        raise FrameError("a golden frame without an expected output")
    return tuple(inputs), tuple(outputs)
