"""A frame's table: what its tensors are, and where the bytes of each lie behind it.

    table := entry*
    entry := element type (1), rank (1), bytes of the name (2), zero (4), bytes of the payload (8),
             rank sizes of 8, name

The frames of a stream have one table. So what a table says is kept, found by its bytes, and a frame
costs no more than the comparison; its tensors are made when somebody asks for them. No I/O.
"""

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from wire.errors import FrameError
from wire.tensors import ELEMENT_TYPES, MAX_RANK, size_bytes

ALIGNMENT: Final = 64
MAX_TABLE_BYTES: Final = 64 << 10
MAX_TENSORS: Final = 256
KEPT_TABLES: Final = 64
KEPT_TABLE_BYTES: Final = 4 << 10
"""Larger tables are read anew each time: hostile ones fill at most 8 MB."""

_ENTRY: Final = struct.Struct("<BBHIQ")
_PADDING: Final = bytes(ALIGNMENT)


class Tensor(msgspec.Struct, frozen=True, gc=False):
    """One tensor: its entry in the table and a view of its encoded elements."""

    name: str
    dtype: int
    shape: tuple[int, ...]
    data: memoryview
    """Bytes as the codec named in meta wrote them; raw: C order, little-endian."""


class Tensors(tuple[Tensor, ...]):
    """Tensors to be sent, in the order of their table, which is known already."""

    table: "Table"


class Table(msgspec.Struct, frozen=True, eq=False):
    """What a table says; shared by all frames that have it."""

    encoded: bytes
    rows: tuple[tuple[str, int, tuple[int, ...], slice], ...]
    """Of each tensor name, element type, shape, and where its payload lies, in bytes from the
    start of the first."""
    paddings: tuple[tuple[int, bytes], ...]
    """What stands between payloads: put in at these places of their list, one after the other."""
    payload_bytes: int
    """From the start of the first payload to the end of the last."""
    raw: bool
    """Whether each payload is as long as the tensor's elements."""


class Received(msgspec.Struct, frozen=True, eq=False):
    """A received frame's tensors: its table and one view; each is made when it is asked for."""

    table: Table
    payloads: memoryview
    """All payloads with what stands between them, in the memory of the frame."""

    def __iter__(self) -> Iterator[Tensor]:
        for name, dtype, shape, place in self.table.rows:
            yield Tensor(name, dtype, shape, self.payloads[place])

    def __len__(self) -> int:
        return len(self.table.rows)

    def __getitem__(self, index: int) -> Tensor:
        name, dtype, shape, place = self.table.rows[index]
        return Tensor(name, dtype, shape, self.payloads[place])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (tuple, Received)):
            return NotImplemented
        return tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


def describing(tensors: Sequence[Tensor]) -> Table:
    """Return the table of these tensors.

    Raises:
        FrameError: One cannot be described, two have one name, or they are too many.
    """
    encoded = b""
    for tensor in tensors:
        encoded += entry(tensor.name, tensor.dtype, tensor.shape, tensor.data.nbytes)
    find = kept if len(encoded) <= KEPT_TABLE_BYTES else read
    return find(encoded, len(tensors))


@lru_cache(maxsize=1024)
def entry(name: str, dtype: int, shape: tuple[int, ...], payload_bytes: int) -> bytes:
    """Return a tensor's entry in the table; the same for every frame of a stream.

    Raises:
        FrameError: It cannot be described.
    """
    if dtype not in ELEMENT_TYPES or len(shape) > MAX_RANK:
        raise FrameError(
            f"tensor {name!r:.80} has element type {dtype} and rank"
            f" {len(shape)} (at most {MAX_RANK}), which is not taken"
        )
    try:
        encoded = name.encode()
        fixed = _ENTRY.pack(dtype, len(shape), len(encoded), 0, payload_bytes)
        return fixed + struct.pack(f"<{len(shape)}Q", *shape) + encoded
    except (struct.error, UnicodeEncodeError) as error:
        raise FrameError(f"tensor {name!r:.80} cannot be described ({error})") from error


def read(encoded: bytes, count: int) -> Table:
    """Return what the table of ``count`` tensors says.

    Raises:
        FrameError: It is malformed or too large; ``at_byte`` counts from its start.
    """
    if count > MAX_TENSORS or len(encoded) > MAX_TABLE_BYTES:
        raise FrameError(f"{count} tensors in a table of {len(encoded)} bytes are too many")
    rows: list[tuple[str, int, tuple[int, ...], slice]] = []
    paddings: list[tuple[int, bytes]] = []
    raw = True
    at, payload = 0, 0
    for _ in range(count):
        if len(encoded) - at < _ENTRY.size:
            raise FrameError("the table ends early", at_byte=at)
        dtype, rank, name_bytes, zero, size = _ENTRY.unpack_from(encoded, at)
        at += _ENTRY.size
        if dtype not in ELEMENT_TYPES or rank > MAX_RANK or zero:
            raise FrameError(f"element type {dtype} or rank {rank} is not taken", at_byte=at)
        if len(encoded) - at < 8 * rank + name_bytes:
            raise FrameError("the table ends early", at_byte=at)
        shape = struct.unpack_from(f"<{rank}Q", encoded, at)
        at += 8 * rank
        try:
            name = str(encoded[at : at + name_bytes], "utf-8")
        except UnicodeDecodeError as error:
            raise FrameError("a tensor's name is not UTF-8", at_byte=at) from error
        at += name_bytes
        gap = -payload % ALIGNMENT
        if gap:
            paddings.append((1 + len(rows) + len(paddings), _PADDING[:gap]))
        payload += gap
        rows.append((name, dtype, shape, slice(payload, payload + size)))
        payload += size
        raw = raw and size == size_bytes(dtype, shape)
    if at != len(encoded):
        raise FrameError("the table is longer than its tensors", at_byte=at)
    if len({row[0] for row in rows}) != count:
        raise FrameError("two tensors have one name", at_byte=0)
    return Table(encoded, tuple(rows), tuple(paddings), payload, raw)


kept = lru_cache(maxsize=KEPT_TABLES)(read)
"""`read`, and what it said before; for tables of up to ``KEPT_TABLE_BYTES``."""

NO_TENSORS: Final = Tensors()
NO_TENSORS.table = read(b"", 0)
