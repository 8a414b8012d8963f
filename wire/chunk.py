"""Frames larger than a broker's packet limit travel as chunks.

A chunk is itself a frame (kind CHUNK): a head of 64 bytes, a small meta with where its bytes
belong, and a slice of the whole frame as payload. Splitting copies nothing; reassembly writes each
slice once into memory that the caller allocates, bounded in frames, bytes and age.
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
LARGEST_CHUNK_BYTES: Final = 1 << 20
"""Whatever a broker takes: it sends nothing on of a packet that has not come whole
(docs/adr/0028-large-frames-in-chunks-of-a-mebibyte.md)."""
SMALLEST_CHUNK_BYTES: Final = 1 << 10
UNFINISHED_SECONDS: Final = 120.0
"""An unfinished frame of which no chunk has begun for so long is given up."""
MAX_UNFINISHED: Final = 2048
"""Frames of so many senders may be unfinished at once."""

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

    A frame that fits comes back as it is; else all packets are about as large. The slices are
    views of the caller's buffers.
    """
    total = frame.total_bytes(buffers)
    if total <= limit_bytes:
        yield list(buffers)
        return
    limit_bytes = -(-total // -(-total // limit_bytes))
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


class _Sender(NamedTuple):
    """What sends frames in order, one at a time."""

    address: str
    stream: int
    generation: int
    stage: int
    kind: int


@dataclass(slots=True)
class _Partial:
    """A frame of which some chunks have come."""

    sequence: int
    memory: Buffer
    view: memoryview
    filled: int = 0
    begun_at: float = 0.0
    """When its newest chunk began."""


class Slot(NamedTuple):
    """Where the payload of one chunk belongs."""

    view: memoryview
    """To be filled with it; into the whole frame's memory."""
    payload_start: int
    """Where the payload begins in the chunk."""
    sender: _Sender
    partial: _Partial
    end: int


class Reassembler:
    """Puts chunks together again, for all addresses of one link.

    Chunks of one frame come in order; chunks of different senders may alternate. When a sender's
    next frame of a stream begins before the last is whole, the last can never be: it is dropped.

    ``now`` is monotonic seconds.

    Args:
        allocate: Returns writable memory of so many bytes; it belongs to the frame.
        max_frame_bytes: Larger frames are refused before anything is allocated.
        max_bytes: All unfinished frames together; when full, the one is dropped that has waited
            for its next chunk for longest.
        max_partials: Unfinished frames; the same.
        given_up: Told of each frame that is dropped although no chunk of it was refused.
    """

    def __init__(
        self,
        allocate: Allocate,
        *,
        max_frame_bytes: int,
        max_bytes: int,
        max_partials: int = MAX_UNFINISHED,
        given_up: Callable[[ReassemblyError], None] = lambda _: None,
    ) -> None:
        self.dropped = 0
        """Unfinished frames given up."""
        self._allocate = allocate
        self._max_frame_bytes = max_frame_bytes
        self._max_bytes = max_bytes
        self._max_partials = max_partials
        self._given_up = given_up
        self._partials: OrderedDict[_Sender, _Partial] = OrderedDict()
        """The one that has waited for longest first."""
        self._bytes = 0

    @property
    def unfinished_bytes(self) -> int:
        """Memory held by unfinished frames."""
        return self._bytes

    def add(self, data: Buffer, address: str = "", now: float = 0.0) -> Buffer | None:
        """Take one chunk; returns the whole frame's memory when this was its last.

        Raises:
            FrameError: No chunk of ours.
            ReassemblyError: It does not follow on what came before, or is too large.
        """
        view = memoryview(data).cast("B")
        slot = self.slot(view, view.nbytes, address, now)
        slot.view[:] = view[slot.payload_start :]
        return self.filled(slot)

    def slot(self, front: Buffer, size_bytes: int, address: str = "", now: float = 0.0) -> Slot:
        """Return where the payload of a chunk belongs that is being received.

        It is good until the next call; `filled` says that it is full.

        Args:
            front: The chunk's beginning: all but its payload, at least.
            size_bytes: Of the whole chunk.
            address: Where it came.
            now: When.

        Raises:
            FrameError: No chunk of ours.
            ReassemblyError: It does not follow on what came before, or is too large.
        """
        limit = self._max_frame_bytes + OVERHEAD_BYTES
        head, meta = frame.decode_front(front, max_frame_bytes=limit, size_bytes=size_bytes)
        self.expire(now)
        at, total, kind = self._place(head, meta)
        sender = _Sender(address, head.stream, head.generation, head.stage, kind)
        if at == 0:
            self._drop(sender, "its sender has gone on to another")
            partial: _Partial | None = self._begin(sender, head.sequence, total)
        else:
            partial = self._partials.get(sender)
        known = (partial.sequence, partial.filled, partial.view.nbytes) if partial else None
        if partial is None or known != (head.sequence, at, total):
            if partial is not None and partial.sequence == head.sequence:
                self._drop(sender)
            raise ReassemblyError(f"bytes from {at} of {total} do not follow on what came before")
        partial.begun_at = now
        self._partials.move_to_end(sender)
        end = at + head.payload_bytes
        return Slot(partial.view[at:end], head.payload_start, sender, partial, end)

    def filled(self, slot: Slot) -> Buffer | None:
        """Note that a slot is full; returns the whole frame's memory when it was the last."""
        partial = slot.partial
        if self._partials.get(slot.sender) is not partial:
            return None  # given up meanwhile
        partial.filled = slot.end
        if slot.end < partial.view.nbytes:
            return None
        del self._partials[slot.sender]
        self._bytes -= partial.view.nbytes
        return partial.memory

    def expire(self, now: float) -> None:
        """Give up what has waited too long for its next chunk."""
        while self._partials:
            sender, oldest = next(iter(self._partials.items()))
            if now - oldest.begun_at < UNFINISHED_SECONDS:
                return
            self._drop(sender, f"nothing more of it came for {UNFINISHED_SECONDS:g} s")

    def _place(self, head: Head, meta: dict[str, Any]) -> tuple[int, int, int]:
        """Return where a chunk begins, its frame's size, and the frame's kind."""
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
        return at, total, kind

    def _begin(self, sender: _Sender, sequence: int, total: int) -> _Partial:
        while self._partials and (
            self._bytes + total > self._max_bytes or len(self._partials) >= self._max_partials
        ):
            self._drop(next(iter(self._partials)), "there was no room for it any longer")
        memory = self._allocate(total)
        partial = _Partial(sequence, memory, memoryview(memory).cast("B"))
        self._partials[sender] = partial
        self._bytes += total
        return partial

    def _drop(self, sender: _Sender, why: str | None = None) -> None:
        partial = self._partials.pop(sender, None)
        if partial is not None:
            self._bytes -= partial.view.nbytes
            self.dropped += 1
            if why is not None:
                size = f"{partial.filled} of {partial.view.nbytes} bytes"
                self._given_up(ReassemblyError(f"a frame was left unfinished at {size}: {why}"))
