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
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self

import msgspec

from wire.buffers import Buffer
from wire.errors import FrameError
from wire.tensors import ELEMENT_TYPES, MAX_RANK

MAGIC: Final = b"PLNE"
VERSION: Final = 1
HEAD_BYTES: Final = 64
ALIGNMENT: Final = 64
MAX_META_BYTES: Final = 64 << 10
MAX_TABLE_BYTES: Final = 64 << 10
MAX_TENSORS: Final = 256
MAX_FRAME_BYTES: Final = 256 << 20
NO_DEADLINE: Final = 0xFFFFFFFF

_HEAD: Final = struct.Struct("<4sBBBBIHHQQIIIQQI")
_ANNOUNCED: Final = struct.Struct("<4sB31xIIQ")
"""Of the head: magic, version, and the sizes."""
_ENTRY: Final = struct.Struct("<BBHIQ")
_REFUSED_FLAGS: Final = 0x0F
_PADDING: Final = bytes(ALIGNMENT)
_META: Final = msgspec.msgpack.Decoder(dict[str, Any])
_PACKER: Final = msgspec.msgpack.Encoder()
_FRONT_BYTES: Final = 2048
"""What head, meta and table are reckoned as."""
_CACHED_TABLE_BYTES: Final = 4 << 10
"""Larger tables are read anew each time, so that hostile ones fill no memory."""


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


class Tensor(msgspec.Struct, frozen=True):
    """One tensor: its entry in the table and a view of its encoded elements."""

    name: str
    dtype: int
    shape: tuple[int, ...]
    data: memoryview
    """Bytes as the codec named in meta wrote them; raw: C order, little-endian."""


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
    tensors: tuple[Tensor, ...] = ()
    flags: int = 0

    def with_meta(self, **changes: Any) -> Self:
        """Return the frame with these meta keys set; unknown ones travel on."""
        return msgspec.structs.replace(self, meta={**self.meta, **changes})


def encode(frame: Frame) -> list[Buffer]:
    """Return the frame's buffers in order: one small one of head, meta and table, then payloads.

    Raises:
        FrameError: Something does not fit the format's limits: a bug or an oversized tensor.
    """
    payloads: list[Buffer] = []
    entries: list[bytes] = []
    payload_bytes = 0
    for tensor in frame.tensors:
        data = tensor.data
        size = data.nbytes
        gap = -payload_bytes % ALIGNMENT
        if gap:
            payloads.append(_PADDING[:gap])
        payloads.append(data)
        entries.append(_entry(tensor.name, tensor.dtype, tensor.shape, size))
        payload_bytes += gap + size
    return [encode_front(frame, b"".join(entries), payload_bytes), *payloads]


def encode_front(frame: Frame, table: bytes, payload_bytes: int) -> bytes:
    """Return head, meta, ``table`` and the padding before payloads that follow elsewhere.

    Raises:
        FrameError: Something does not fit the format's limits.
    """
    try:
        meta = _PACKER.encode(frame.meta)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise FrameError(f"meta cannot be encoded ({error})", at_byte=HEAD_BYTES) from error
    if len(meta) > MAX_META_BYTES or len(table) > MAX_TABLE_BYTES:
        raise FrameError(f"meta or table too large ({len(meta)} and {len(table)} bytes)")
    if len(frame.tensors) > MAX_TENSORS:
        raise FrameError(f"too many tensors ({len(frame.tensors)}, at most {MAX_TENSORS})")
    try:
        head = _HEAD.pack(
            MAGIC, VERSION, frame.flags, frame.kind, 0, frame.generation, frame.stage,
            len(frame.tensors), frame.stream, frame.sequence, frame.deadline_ms,
            len(meta), len(table), payload_bytes, 0, 0,
        )[:-4]  # fmt: skip
    except struct.error as error:
        raise FrameError(f"a number of the head is out of range ({error})") from error
    crc32 = zlib.crc32(table, zlib.crc32(meta, zlib.crc32(head)))
    front = b"".join((head, crc32.to_bytes(4, "little"), meta, table))
    return front + _PADDING[: -len(front) % ALIGNMENT] if payload_bytes else front


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
    tensors = _tensors(view, head) if head.tensors or head.payload_bytes or head.table_bytes else ()
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


def _aligned(size: int) -> int:
    return size + -size % ALIGNMENT


@lru_cache(maxsize=1024)
def _entry(name: str, dtype: int, shape: tuple[int, ...], size_bytes: int) -> bytes:
    """Return a tensor's entry in the table; the same for every frame of a stream."""
    if dtype not in ELEMENT_TYPES or len(shape) > MAX_RANK:
        raise FrameError(
            f"tensor {name!r:.80} has element type {dtype} and rank"
            f" {len(shape)} (at most {MAX_RANK}), which is not taken"
        )
    encoded = name.encode()
    try:
        fixed = _ENTRY.pack(dtype, len(shape), len(encoded), 0, size_bytes)
        return fixed + struct.pack(f"<{len(shape)}Q", *shape) + encoded
    except struct.error as error:
        raise FrameError(f"tensor {name!r:.80} cannot be described ({error})") from error


class _Entry(NamedTuple):
    """One tensor as the table tells it; its payload as a range from the first payload's start."""

    name: str
    dtype: int
    shape: tuple[int, ...]
    first: int
    end: int


def _tensors(view: memoryview, head: Head) -> tuple[Tensor, ...]:
    if not head.tensors and not head.table_bytes:
        entries: tuple[_Entry, ...] = ()
    else:
        start = HEAD_BYTES + head.meta_bytes
        table = bytes(view[start : head.table_end])
        read = _entries if len(table) <= _CACHED_TABLE_BYTES else _entries.__wrapped__
        try:
            entries = read(table, head.tensors)
        except FrameError as error:
            raise FrameError(error.problem, at_byte=start + error.at_byte) from None
    size = entries[-1].end if entries else 0
    if size != head.payload_bytes:
        beyond = next((e for e in entries if e.end > head.payload_bytes), None)
        problem = "table and payloads do not fill what the head announces"
        if beyond is not None:
            problem = f"tensor {beyond.name!r:.80} goes beyond the frame"
        raise FrameError(problem, at_byte=head.table_end)
    payloads = view[head.payload_start :]
    tensors = []
    for name, dtype, shape, first, end in entries:
        tensors.append(Tensor(name, dtype, shape, payloads[first:end]))
    return tuple(tensors)


@lru_cache(maxsize=256)
def _entries(table: bytes, count: int) -> tuple[_Entry, ...]:
    """Return what the table says; the same for every frame of a stream.

    Raises:
        FrameError: It is malformed; ``at_byte`` counts from its start.
    """
    entries: list[_Entry] = []
    at, payload = 0, 0
    for _ in range(count):
        if len(table) - at < _ENTRY.size:
            raise FrameError("the table ends early", at_byte=at)
        dtype, rank, name_bytes, zero, size = _ENTRY.unpack_from(table, at)
        at += _ENTRY.size
        if dtype not in ELEMENT_TYPES or rank > MAX_RANK or zero:
            raise FrameError(f"element type {dtype} or rank {rank} is not taken", at_byte=at)
        if len(table) - at < 8 * rank + name_bytes:
            raise FrameError("the table ends early", at_byte=at)
        shape = struct.unpack_from(f"<{rank}Q", table, at)
        at += 8 * rank
        try:
            name = str(table[at : at + name_bytes], "utf-8")
        except UnicodeDecodeError as error:
            raise FrameError("a tensor's name is not UTF-8", at_byte=at) from error
        at += name_bytes
        payload = _aligned(payload)
        entries.append(_Entry(name, dtype, shape, payload, payload + size))
        payload += size
    if at != len(table):
        raise FrameError("the table is longer than its tensors", at_byte=at)
    if len({entry.name for entry in entries}) != len(entries):
        raise FrameError("two tensors have one name", at_byte=0)
    return tuple(entries)
