"""One established connection: whole frames both ways, none of them copied, or once on one host.

A frame's head says how large it is, so frames follow each other without anything between them.
"""

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from wire.buffers import Buffer
from wire.byte_stream import ByteStream
from wire.direct.arena import LEAST_BYTES, MARK, ArenaReader, ArenaWriter
from wire.errors import FrameError, LinkDownError
from wire.frame import HEAD_BYTES, MAX_FRAME_BYTES, announced_bytes, total_bytes
from wire.frame_memory import FrameMemory
from wire.reading import Readers, Work
from wire.stream_errors import StreamClosedError, StreamStalledError

RECEIVE_SECONDS: Final = 10.0
"""How long nothing may come of a frame that has begun: its memory is held for it."""


@dataclass(frozen=True, slots=True)
class Events:
    """What a connection tells, in its reader thread."""

    receive: Callable[["Connection", Buffer], Work | None]
    """A frame came; its bytes belong to the callee. Must not block: what takes long can be
    returned where there are several ``readers``, and is done while another one reads."""
    ended: Callable[["Connection", str], None] = lambda *_: None
    """Called once: nothing more comes, for this reason."""
    fault: Callable[[Exception], None] = lambda _: None
    """What ``receive`` raised; the connection goes on."""


class Connection:
    """Sends and receives frames; both sides have one.

    Args:
        stream: Its handshake is behind it; belongs to the connection from now on.
        link: ``uds`` or ``tcp``.
        peer: Who is at the other end, as it proved.
        events: Who hears of it.
        max_frame_bytes: A larger frame ends the connection.
        works: Whether ``receive`` may return work: then there are two reader threads.
        arena: What large frames come or go through; None: all go by the stream.
    """

    def __init__(
        self,
        stream: ByteStream,
        link: str,
        peer: str,
        events: Events,
        max_frame_bytes: int = MAX_FRAME_BYTES,
        *,
        works: bool = False,
        arena: ArenaReader | ArenaWriter | None = None,
    ) -> None:
        self.link = link
        self.peer = peer
        self.up = True
        """Whether it stands, as far as we know."""
        self._stream = stream
        self._events = events
        self._max_frame_bytes = max_frame_bytes
        self._writing = threading.Lock()
        self._head = memoryview(bytearray(HEAD_BYTES))
        self._amid = False
        """Whether the rest of a frame is to come."""
        self._memory = FrameMemory()
        self._fill: Callable[[memoryview], None] | None = None
        self._works = works
        self._arena_in = arena if isinstance(arena, ArenaReader) else None
        self._arena_out = arena if isinstance(arena, ArenaWriter) else None
        self.readers = Readers(f"{link} {peer}")
        """Of what comes; whether ``receive`` may return work is theirs to say."""

    def start(self) -> None:
        """Begin to receive.

        Raises:
            RuntimeError: There is no memory for a thread.
        """
        with contextlib.suppress(OSError):  # it is closed already, as its reader will find
            self._stream.set_quiet(RECEIVE_SECONDS, self._none_came)
        self.readers.start(self._until_work, works=self._works)

    def send(self, buffers: Sequence[Buffer]) -> None:
        """Send one encoded frame; the buffers may be reused when this returns.

        Raises:
            LinkDownError: The connection has ended: the frame, and what was sent shortly before,
                may or may not have arrived.
        """
        try:
            with self._writing:  # a frame is whole, whoever sends
                arena = self._arena_out
                if arena is not None and (size := total_bytes(buffers)) >= LEAST_BYTES:
                    bell = arena.put(buffers, size)
                    buffers = buffers if bell is None else (bell,)
                self._stream.send(buffers)
        except (StreamClosedError, StreamStalledError) as error:
            self.close()  # what follows would begin in the middle of a frame
            raise LinkDownError(f"{self.link} to {self.peer}") from error

    def close(self) -> None:
        """End the connection; closing twice is harmless."""
        self.up = False
        self._stream.close()

    def _until_work(self) -> Work | None:
        """Receive frames until one brings work, or nothing more comes: None."""
        head, memory, arena = self._head, self._memory, self._arena_in
        try:
            fill = self._fill = self._fill or self._stream.begin_reading()
            while True:
                memory.prepare()
                fill(head)
                if arena is not None and head[3] == MARK:
                    frame = arena.take(head, self._max_frame_bytes)
                else:
                    size = announced_bytes(head, max_frame_bytes=self._max_frame_bytes)
                    frame = memory.take(size)
                    frame[:HEAD_BYTES] = head
                    self._amid = True
                    fill(frame[HEAD_BYTES:])
                    self._amid = False
                try:
                    work = self._events.receive(self, frame)
                except Exception as error:  # noqa: BLE001 a link outlives what its callee does
                    self._events.fault(error)
                else:
                    if work is not None:
                        return work
                del frame  # a connection at rest holds no frame
        except (StreamClosedError, StreamStalledError) as error:
            self._over(error.reason)
        except FrameError as error:  # where the next frame begins is not known any more
            self._over(str(error))
        except MemoryError:
            self._over("no memory for a frame")
        return None

    def _none_came(self) -> None:
        """Nothing came for `RECEIVE_SECONDS`: between two frames that may be."""
        if self._amid:
            reason = f"nothing of a frame came for {RECEIVE_SECONDS:g} s"
            raise StreamClosedError(self.peer, reason)

    def _over(self, reason: str) -> None:
        if self._fill is not None:
            self._stream.end_reading()
        self.close()
        self._events.ended(self, reason)
