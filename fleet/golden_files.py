"""Golden frames on disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from wire import codecs, frame, golden
from wire.frame import Frame, Kind

Arrays = Mapping[str, NDArray[Any]]


def write(folder: Path, inputs: Arrays, outputs: Arrays) -> None:
    """Write ``golden.frame`` into a segment's folder.

    Raises:
        FrameError: The tensors do not fit one frame.
    """
    made = golden.join(codecs.tensors(inputs), codecs.tensors(outputs))
    with (folder / golden.FILE_NAME).open("wb") as file:
        file.writelines(frame.encode(made))


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
