"""Lay out ``weights.bin``: tensors that can be mapped, each at a place of its own.

Tensors of 1 MiB and more begin at multiples of 64 KiB, so that they can be mapped with any page
size; smaller ones at multiples of 64. Those under 1 KiB do not come here: they stay in the model.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

INLINE_BYTES: Final = 1 << 10
"""Tensors smaller than this stay in the model's own file."""
LARGE_BYTES: Final = 1 << 20
LARGE_ALIGNMENT: Final = 64 << 10
ALIGNMENT: Final = 64


class Placed(NamedTuple):
    """One tensor's place in the file."""

    name: str
    offset_bytes: int
    data: bytes


def place(tensors: Iterable[tuple[str, bytes]]) -> tuple[Placed, ...]:
    """Return where each tensor goes: large ones first, otherwise in the order given."""
    found = sorted(tensors, key=lambda tensor: len(tensor[1]) < LARGE_BYTES)
    placed: list[Placed] = []
    end = 0
    for name, data in found:
        alignment = LARGE_ALIGNMENT if len(data) >= LARGE_BYTES else ALIGNMENT
        offset = end + -end % alignment
        placed.append(Placed(name, offset, data))
        end = offset + len(data)
    return tuple(placed)


def pieces(placed: Sequence[Placed]) -> Iterator[bytes]:
    """Yield the file's content, gaps as zeros."""
    end = 0
    for tensor in placed:
        yield bytes(tensor.offset_bytes - end)
        yield tensor.data
        end = tensor.offset_bytes + len(tensor.data)
