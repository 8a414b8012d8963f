"""Lay out and write ``weights.bin``: tensors that can be mapped, each at a place of its own.

Tensors of 1 MiB and more begin at multiples of 64 KiB, so that they can be mapped with any page
size; smaller ones at multiples of 64. The smallest do not come here: they stay in the model.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from fleet.chunks import Chunk, Chunker
from wire.manifest import File

LARGE_BYTES: Final = 1 << 20
LARGE_ALIGNMENT: Final = 64 << 10
ALIGNMENT: Final = 64
_HOLE_BYTES: Final = 64 << 10
_ZEROS: Final = bytes(4 << 20)

Pieces = Callable[[str], Iterable[memoryview]]
"""Gives a tensor's bytes by its name; each piece is valid until the next is asked for."""


class Placed(NamedTuple):
    """One tensor's place in the file."""

    name: str
    offset_bytes: int
    size_bytes: int


class Written(NamedTuple):
    """What was written."""

    file: File
    chunks: tuple[Chunk, ...]


def place(tensors: Iterable[tuple[str, int]]) -> tuple[Placed, ...]:
    """Return where each tensor (name and size) goes: large ones first, else in the order given."""
    found = sorted(tensors, key=lambda tensor: tensor[1] < LARGE_BYTES)
    placed: list[Placed] = []
    end = 0
    for name, size in found:
        alignment = LARGE_ALIGNMENT if size >= LARGE_BYTES else ALIGNMENT
        offset = end + -end % alignment
        placed.append(Placed(name, offset, size))
        end = offset + size
    return tuple(placed)


def write(path: Path, placed: Sequence[Placed], pieces: Pieces) -> Written:
    """Write the tensors to the file ``path`` and return its digest and its chunks."""
    whole, chunker, end = hashlib.sha256(), Chunker(), 0

    def watched(name: str) -> Iterator[memoryview]:
        nonlocal end
        tensor = places[name]
        whole.update(_ZEROS[: tensor.offset_bytes - end])
        chunker.begin(tensor.offset_bytes, tensor.size_bytes >= LARGE_BYTES)
        for piece in pieces(name):
            whole.update(piece)
            chunker.add(piece)
            yield piece
        end = tensor.offset_bytes + tensor.size_bytes

    places = {tensor.name: tensor for tensor in placed}
    copy(path, placed, watched)
    made = File(name=path.name, sha256=whole.hexdigest(), size_bytes=end)
    return Written(made, chunker.finished())


def copy(path: Path, placed: Sequence[Placed], pieces: Pieces) -> None:
    """Write the tensors to the file ``path``; what stands between them is zero.

    Large pieces that are all zero become holes: such a file takes no room, and reads the same.
    """
    end = 0
    with path.open("wb") as file:
        for tensor in placed:
            end = tensor.offset_bytes
            for piece in pieces(tensor.name):
                if not _is_hole(piece):
                    _put(file.fileno(), piece, end)
                end += len(piece)
        file.truncate(end)


def _is_hole(piece: memoryview) -> bool:
    size = len(piece)
    if size < _HOLE_BYTES or piece[0] or piece[size // 2] or piece[-1]:
        return False
    return bytes(piece) == _ZEROS[:size]


def _put(file: int, piece: memoryview, at: int) -> None:
    while piece:
        done = os.pwrite(file, piece, at)
        piece, at = piece[done:], at + done
