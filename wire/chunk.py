"""Frames larger than a broker's packet limit travel as chunks.

A chunk is itself a frame (kind CHUNK): a head of 64 bytes, a small meta with where its bytes
belong, and a slice of the whole frame as payload. Splitting copies nothing; reassembly writes each
slice once into memory that the caller allocates, bounded in frames and bytes.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from wire import frame
from wire.buffers import Buffer
from wire.errors import ReassemblyError
from wire.frame import Frame, Head, Kind

OVERHEAD_BYTES: Final = 1024
"""Kept free in each packet for head, meta and MQTT's own fields."""
UNKNOWN_LIMIT_BYTES: Final = 96 << 10
"""Chunk size when neither configuration nor broker names a limit."""
LARGEST_CHUNK_BYTES: Final = 8 << 20
SMALLEST_CHUNK_BYTES: Final = 1 << 10

Allocate = Callable[[int], Buffer]


def chunk_bytes(configured: int | None, announced: int | None) -> int:
    """Return how many bytes of a frame one packet may carry.

    Args:
        configured: ``broker.max_packet_bytes``.
        announced: MQTT 5 MaximumPacketSize; None does not mean that there is no limit.
    """
    known = [limit for limit in (configured, announced) if limit]
    if not known:
        return UNKNOWN_LIMIT_BYTES
    return max(SMALLEST_CHUNK_BYTES, min(*known, LARGEST_CHUNK_BYTES) - OVERHEAD_BYTES)


def split(buffers: Sequence[Buffer], limit_bytes: int) -> Iterator[list[Buffer]]:
    """Yield the packets of one encoded frame, each carrying at most ``limit_bytes`` of it.

    A frame that fits comes back as it is. The slices are views of the caller's buffers.
    """
    total = frame.total_bytes(buffers)
    if total <= limit_bytes:
        yield list(buffers)
        return
    whole = frame.decode_head(buffers[0], max_frame_bytes=total)
    at = 0
    for pieces in _slices(buffers, limit_bytes):
        size = sum(piece.nbytes for piece in pieces)
        chunk = Frame(
            Kind.CHUNK,
            whole.stream,
            whole.sequence,
            generation=whole.generation,
            stage=whole.stage,
            meta={"at": at, "of": total, "kind": int(whole.kind)},
        )
        yield [frame.encode_front(chunk, b"", size), *pieces]
        at += size


def _slices(buffers: Sequence[Buffer], limit_bytes: int) -> Iterator[list[memoryview]]:
    pieces: list[memoryview] = []
    free = limit_bytes
    for buffer in buffers:
        view = memoryview(buffer)
        if not view.nbytes:
            continue  # and an empty array of several dimensions cannot be cast
        view = view.cast("B")
        while view.nbytes:
            piece, view = view[:free], view[free:]
            pieces.append(piece)
            free -= piece.nbytes
            if not free:
                yield pieces
                pieces, free = [], limit_bytes
    if pieces:
        yield pieces


class _Key(NamedTuple):
    """Which frame a chunk belongs to."""

    sender: tuple[int, int, int, int]
    """Stream, generation, stage and kind: what one sender sends in order."""
    sequence: int


@dataclass(slots=True)
class _Partial:
    """A frame of which some chunks have come."""

    memory: Buffer
    view: memoryview
    filled: int = 0


class Slot(NamedTuple):
    """Where the payload of one chunk belongs."""

    view: memoryview
    """To be filled with it; into the whole frame's memory."""
    payload_start: int
    """Where the payload begins in the chunk."""
    key: _Key
    end: int


class Reassembler:
    """Puts chunks together again, for one lane.

    Chunks of one frame come in order; chunks of different senders may alternate. When a sender's
    next frame of a stream begins before the last is whole, the last can never be: it is dropped.

    Args:
        allocate: Returns writable memory of so many bytes; it belongs to the frame.
        max_frame_bytes: Larger frames are refused before anything is allocated.
        max_bytes: All unfinished frames together; the oldest is dropped when full.
        max_partials: Unfinished frames; the oldest is dropped when full.
    """

    def __init__(
        self, allocate: Allocate, *, max_frame_bytes: int, max_bytes: int, max_partials: int = 64
    ) -> None:
        self.dropped = 0
        """Unfinished frames given up."""
        self._allocate = allocate
        self._max_frame_bytes = max_frame_bytes
        self._max_bytes = max_bytes
        self._max_partials = max_partials
        self._partials: OrderedDict[_Key, _Partial] = OrderedDict()
        self._bytes = 0

    @property
    def unfinished_bytes(self) -> int:
        """Memory held by unfinished frames."""
        return self._bytes

    def add(self, data: Buffer) -> Buffer | None:
        """Take one chunk; returns the whole frame's memory when this was its last.

        Raises:
            FrameError: No chunk of ours.
            ReassemblyError: It does not follow on what came before, or is too large.
        """
        view = memoryview(data).cast("B")
        slot = self.slot(view, view.nbytes)
        slot.view[:] = view[slot.payload_start :]
        return self.filled(slot)

    def slot(self, front: Buffer, size_bytes: int) -> Slot:
        """Return where the payload of a chunk belongs that is being received.

        It is good until the next call; `filled` says that it is full.

        Args:
            front: The chunk's beginning: all but its payload, at least.
            size_bytes: Of the whole chunk.

        Raises:
            FrameError: No chunk of ours.
            ReassemblyError: It does not follow on what came before, or is too large.
        """
        limit = self._max_frame_bytes + OVERHEAD_BYTES
        head, meta = frame.decode_front(front, max_frame_bytes=limit, size_bytes=size_bytes)
        key, at, total = self._place(head, meta)
        partial = self._partials.get(key)
        if at == 0:
            self._give_up_older(key)
            partial = self._begin(key, total)
        if partial is None or partial.filled != at or partial.view.nbytes != total:
            self._drop(key)
            raise ReassemblyError(f"bytes from {at} of {total} do not follow on what came before")
        end = at + head.payload_bytes
        return Slot(partial.view[at:end], head.payload_start, key, end)

    def filled(self, slot: Slot) -> Buffer | None:
        """Note that a slot is full; returns the whole frame's memory when it was the last."""
        partial = self._partials[slot.key]
        partial.filled = slot.end
        if slot.end < partial.view.nbytes:
            return None
        del self._partials[slot.key]
        self._bytes -= partial.view.nbytes
        return partial.memory

    def _place(self, head: Head, meta: dict[str, Any]) -> tuple[_Key, int, int]:
        match meta:
            case {"at": int(at), "of": int(total), "kind": int(kind)}:
                pass
            case _:
                raise ReassemblyError("meta does not say where it belongs")
        if head.kind is not Kind.CHUNK or head.tensors or head.table_bytes:
            raise ReassemblyError("is no chunk")
        if not 0 <= at < at + head.payload_bytes <= total:
            raise ReassemblyError(f"{head.payload_bytes} bytes from {at} are not inside {total}")
        if total > min(self._max_frame_bytes, self._max_bytes):
            limit = min(self._max_frame_bytes, self._max_bytes)
            raise ReassemblyError(f"belongs to a frame of {total} bytes (at most {limit})")
        sender = (head.stream, head.generation, head.stage, kind)
        return _Key(sender, head.sequence), at, total

    def _begin(self, key: _Key, total: int) -> _Partial:
        while self._partials and (
            self._bytes + total > self._max_bytes or len(self._partials) >= self._max_partials
        ):
            self._drop(next(iter(self._partials)))
        memory = self._allocate(total)
        partial = _Partial(memory, memoryview(memory).cast("B"))
        self._partials[key] = partial
        self._bytes += total
        return partial

    def _give_up_older(self, key: _Key) -> None:
        """Drop what the same sender left unfinished: it has gone on."""
        for other in [k for k in self._partials if k.sender == key.sender]:
            self._drop(other)

    def _drop(self, key: _Key) -> None:
        partial = self._partials.pop(key, None)
        if partial is not None:
            self._bytes -= partial.view.nbytes
            self.dropped += 1
