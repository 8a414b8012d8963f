"""Golden frames on disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fleet import digests
from wire import codecs, frame, golden
from wire.errors import FrameError
from wire.frame import Frame, Kind
from wire.manifest import File

Arrays = Mapping[str, NDArray[Any]]


def write(folder: Path, inputs: Arrays, outputs: Arrays) -> File:
    """Write ``golden.frame`` into a segment's folder and return what it is.

    Raises:
        FrameError: The tensors do not fit one frame.
    """
    made = frame.encode(golden.join(codecs.tensors(inputs), codecs.tensors(outputs)))
    size = frame.total_bytes(made)
    if size > frame.MAX_FRAME_BYTES:
        raise FrameError(f"{size} bytes of golden tensors (at most {frame.MAX_FRAME_BYTES})")
    with (folder / golden.FILE_NAME).open("wb") as file:
        file.writelines(made)
    return digests.file(folder / golden.FILE_NAME)


def read(folder: Path) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Return inputs and expected outputs of a segment's golden frame.

    Raises:
        OSError: It cannot be read.
        FrameError: It is no golden frame.
    """
    data = (folder / golden.FILE_NAME).read_bytes()
    sides = golden.split(frame.decode(data))
    inputs, outputs = (codecs.arrays(Frame(Kind.DATA, 0, 0, tensors=side)) for side in sides)
    return inputs, outputs
