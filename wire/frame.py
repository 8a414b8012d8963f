"""A frame: tensors on their way, or what is said about them.

    frame := head(64) meta table pad payload*

All integers are little-endian. Payloads start at multiples of 64 from the frame's first byte, so
that a frame received into an aligned buffer holds aligned tensors. The CRC covers head, meta and
table; the payloads' integrity is TCP's or the cipher's (600 KB of CRC would cost 240 us).

Nothing here copies a payload: ``encode`` returns the caller's buffers in a list, ``decode`` returns
views into the caller's memory, valid as long as that memory is.
"""

import struct
import zlib
from collections.abc import Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final, Self

import msgspec

from wire.buffers import Buffer
from wire.errors import FrameError
from wire.table import ALIGNMENT as ALIGNMENT  # noqa: PLC0414 (mypy: exported on purpose)
from wire.table import (
    KEPT_TABLE_BYTES,
    MAX_TABLE_BYTES,
    MAX_TENSORS,
    NO_TENSORS,
    Received,
    Table,
    Tensors,
    describing,
    kept,
    read,
)
from wire.table import Tensor as Tensor  # noqa: PLC0414

MAGIC: Final = b"PLNE"
VERSION: Final = 1
HEAD_BYTES: Final = 64
MAX_META_BYTES: Final = 64 << 10
MAX_FRAME_BYTES: Final = 256 << 20
NO_DEADLINE: Final = 0xFFFFFFFF

_HEAD: Final = struct.Struct("<4sBBBBIHHQQIIIQQI")
_CHECKED_HEAD: Final = struct.Struct("<4sBBBBIHHQQIIIQQ")
"""The head without its last number, the CRC."""
_ANNOUNCED: Final = struct.Struct("<4sB31xIIQ")
"""Of the head: magic, version, and the sizes."""
_REFUSED_FLAGS: Final = 0x0F
_PADDING: Final = bytes(ALIGNMENT)
_META: Final = msgspec.msgpack.Decoder(dict[str, Any])
_PACKER: Final = msgspec.msgpack.Encoder()
_KNOWN: Final = (Tensors, Received)
_FRONT_BYTES: Final = 2048
"""What head, meta and table are reckoned as."""


class Kind(IntEnum):
    """What a frame is."""

    DATA = 1
    RESULT = 2
    ERROR = 3
    CREDIT = 4
    CHUNK = 5


_KINDS: Final = MappingProxyType({int(kind): kind for kind in Kind})


class Head(msgspec.Struct, frozen=True):
    """The fixed 64 bytes, as numbers; what a stream reader needs to know how much follows."""

    kind: Kind
    flags: int
    generation: int
    stage: int
    tensors: int
    stream: int
    sequence: int
    deadline_ms: int
    meta_bytes: int
    table_bytes: int
    payload_bytes: int
    crc32: int
    table_end: int
    """Where the table ends, in bytes from the frame's start."""
    payload_start: int
    """Where the first payload begins, in bytes from the frame's start."""
    total_bytes: int
    """The frame's size in bytes."""


class Frame(msgspec.Struct, frozen=True):
    """One frame. The payloads belong to whoever made them."""

    kind: Kind
    stream: int
    sequence: int
    generation: int = 0
    stage: int = 0
    """DATA: the stage that shall run it. RESULT, ERROR: the stage that it comes from."""
    deadline_ms: int = NO_DEADLINE
    """Milliseconds left, not an instant: clocks of two machines differ."""
    meta: Mapping[str, Any] = {}
    tensors: tuple[Tensor, ...] | Received = NO_TENSORS
    flags: int = 0

    def with_meta(self, **changes: Any) -> Self:
        """Return the frame with these meta keys set; unknown ones travel on."""
        return msgspec.structs.replace(self, meta={**self.meta, **changes})


def encode(frame: Frame) -> list[Buffer]:
    """Return the frame's buffers in order: one small one of head, meta and table, then payloads.

    Raises:
        FrameError: Something does not fit the format's limits: a bug or an oversized tensor.
    """
    tensors = frame.tensors
    table = tensors.table if isinstance(tensors, _KNOWN) else describing(tensors)
    buffers: list[Buffer] = [encode_front(frame, table.encoded, table.payload_bytes)]
    for tensor in tensors:
        buffers.append(tensor.data)  # noqa: PERF401 (one function more, in Python 3.11)
    for at, padding in table.paddings:
        buffers.insert(at, padding)
    return buffers


def encode_front(frame: Frame, table: bytes, payload_bytes: int) -> bytes:
    """Return head, meta, ``table`` and the padding before payloads that follow elsewhere.

    Raises:
        FrameError: Something does not fit the format's limits.
    """
    try:
        meta = _PACKER.encode(frame.meta)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise FrameError(f"meta cannot be encoded ({error})", at_byte=HEAD_BYTES) from error
    if len(meta) > MAX_META_BYTES:
        raise FrameError(f"meta too large ({len(meta)} bytes, at most {MAX_META_BYTES})")
    try:
        head = _CHECKED_HEAD.pack(
            MAGIC, VERSION, frame.flags, frame.kind, 0, frame.generation, frame.stage,
            len(frame.tensors), frame.stream, frame.sequence, frame.deadline_ms,
            len(meta), len(table), payload_bytes, 0,
        )  # fmt: skip
    except struct.error as error:
        raise FrameError(f"a number of the head is out of range ({error})") from error
    crc32 = zlib.crc32(table, zlib.crc32(meta, zlib.crc32(head)))
    padding = _PADDING[: -(len(meta) + len(table)) % ALIGNMENT] if payload_bytes else b""
    return b"".join((head, crc32.to_bytes(4, "little"), meta, table, padding))


def total_bytes(buffers: Sequence[Buffer]) -> int:
    """Return the size of an encoded frame in bytes."""
    return sum(memoryview(buffer).nbytes for buffer in buffers)


def announced_bytes(head: Buffer, *, max_frame_bytes: int = MAX_FRAME_BYTES) -> int:
    """Return how long a frame is by its first 64 bytes; the rest of them is checked by `decode`.

    Raises:
        FrameError: Not a head of ours, or it announces more than is allowed.
    """
    magic, version, meta_bytes, table_bytes, payload_bytes = _ANNOUNCED.unpack_from(head)
    if magic != MAGIC or version != VERSION:
        raise FrameError(f"magic {magic!r}, version {version} (expected {MAGIC!r}, {VERSION})")
    end = HEAD_BYTES + meta_bytes + table_bytes
    total: int = end + -end % ALIGNMENT + payload_bytes if payload_bytes else end
    if total > max_frame_bytes or meta_bytes > MAX_META_BYTES or table_bytes > MAX_TABLE_BYTES:
        raise FrameError(f"{total} bytes, at most {max_frame_bytes} are taken", at_byte=36)
    return total


def reckoned_bytes(frame: Frame) -> int:
    """Return what a frame is reckoned as before it is encoded, for credit; never too little."""
    reckoned = _FRONT_BYTES
    for tensor in frame.tensors:
        reckoned += tensor.data.nbytes + ALIGNMENT
    return reckoned


def decode_head(data: Buffer, *, max_frame_bytes: int = MAX_FRAME_BYTES) -> Head:
    """Return the head at the beginning of ``data``; the CRC is not checked yet.

    Raises:
        FrameError: Not a head of ours, or it announces more than is allowed.
    """
    return _head(memoryview(data).cast("B"), max_frame_bytes)


def _head(view: memoryview, max_frame_bytes: int) -> Head:
    if view.nbytes < HEAD_BYTES:
        raise FrameError(f"truncated head ({view.nbytes} bytes, expected {HEAD_BYTES})")
    (
        magic, version, flags, kind, pad, generation, stage, tensors, stream, sequence,
        deadline_ms, meta_bytes, table_bytes, payload_bytes, reserved, crc32,
    ) = _HEAD.unpack_from(view)  # fmt: skip
    if magic != MAGIC:
        raise FrameError(f"wrong magic {magic!r}")
    if version != VERSION:
        raise FrameError(f"version {version} is unknown (expected {VERSION})", at_byte=4)
    if flags & _REFUSED_FLAGS:
        raise FrameError(f"unknown flags {flags:#04x}", at_byte=5)
    known = _KINDS.get(kind)
    if known is None:
        raise FrameError(f"unknown kind {kind}", at_byte=6)
    if pad or reserved:
        raise FrameError("reserved bytes are not zero", at_byte=7 if pad else 52)
    if tensors > MAX_TENSORS or meta_bytes > MAX_META_BYTES or table_bytes > MAX_TABLE_BYTES:
        raise FrameError(
            f"{tensors} tensors, {meta_bytes} + {table_bytes} bytes of meta and table are too many",
            at_byte=14,
        )
    table_end = HEAD_BYTES + meta_bytes + table_bytes
    payload_start = table_end + -table_end % ALIGNMENT
    total = payload_start + payload_bytes if payload_bytes else table_end
    if total > max_frame_bytes:
        raise FrameError(f"{total} bytes, at most {max_frame_bytes} are taken", at_byte=44)
    return Head(
        known, flags, generation, stage, tensors, stream, sequence, deadline_ms, meta_bytes,
        table_bytes, payload_bytes, crc32, table_end, payload_start, total,
    )  # fmt: skip


def decode(data: Buffer, *, max_frame_bytes: int = MAX_FRAME_BYTES) -> Frame:
    """Return the frame that fills ``data`` exactly; its tensors are views into ``data``.

    Raises:
        FrameError: Truncated, too long, corrupt, or not ours.
    """
    view = memoryview(data).cast("B")
    head, meta = _front(view, max_frame_bytes, view.nbytes)
    tensors: tuple[Tensor, ...] | Received = NO_TENSORS
    if head.tensors or head.payload_bytes or head.table_bytes:
        start = HEAD_BYTES + head.meta_bytes
        try:
            find = kept if head.table_bytes <= KEPT_TABLE_BYTES else read
            table = find(bytes(view[start : head.table_end]), head.tensors)
        except FrameError as error:
            raise FrameError(error.problem, at_byte=start + error.at_byte) from None
        if table.payload_bytes != head.payload_bytes:
            raise _does_not_fit(table, head)
        tensors = Received(table, view[head.payload_start :])
    return Frame(
        head.kind, head.stream, head.sequence, head.generation, head.stage, head.deadline_ms,
        meta, tensors, head.flags,
    )  # fmt: skip


def decode_front(
    data: Buffer, *, max_frame_bytes: int = MAX_FRAME_BYTES, size_bytes: int | None = None
) -> tuple[Head, dict[str, Any]]:
    """Return head and meta of the frame that fills ``data``, its CRC checked.

    ``size_bytes``: the frame's size, where only its beginning is here: at least all but payloads.

    Raises:
        FrameError: Truncated, too long, corrupt, or not ours.
    """
    view = memoryview(data).cast("B")
    return _front(view, max_frame_bytes, view.nbytes if size_bytes is None else size_bytes)


def _front(view: memoryview, max_frame_bytes: int, size: int) -> tuple[Head, dict[str, Any]]:
    head = _head(view, max_frame_bytes)
    if size != head.total_bytes or (view.nbytes < size and view.nbytes < head.payload_start):
        raise FrameError(f"{size} bytes (expected {head.total_bytes})", at_byte=size)
    crc32 = zlib.crc32(view[: HEAD_BYTES - 4])
    if zlib.crc32(view[HEAD_BYTES : head.table_end], crc32) != head.crc32:
        raise FrameError("the CRC of head, meta and table differs", at_byte=60)
    try:
        return head, _META.decode(view[HEAD_BYTES : HEAD_BYTES + head.meta_bytes])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(f"meta is no map ({error})", at_byte=HEAD_BYTES) from error


def _does_not_fit(table: Table, head: Head) -> FrameError:
    problem = "table and payloads do not fill what the head announces"
    for name, _, _, place in table.rows:
        if place.stop > head.payload_bytes:
            problem = f"tensor {name!r:.80} goes beyond the frame"
            break
    return FrameError(problem, at_byte=head.table_end)
