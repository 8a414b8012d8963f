"""Packets of several threads onto one byte stream, each whole; the reader thread never waits.

Who writes holds the turn. The reader thread must go on reading, or a broker that waits for it to
read would never read what a writer waits with: what it cannot send at once it leaves behind, and
whoever has the turn sends that first.
"""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Final

from wire.buffers import Buffer
from wire.byte_stream import ByteStream
from wire.stream_errors import StreamFullError

MAX_WAITING_BYTES: Final = 8 << 20
"""Of what the reader thread has left behind: grants and answers, which are small."""


class Outflow:
    """The sending half of a stream."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._turn = threading.Lock()
        self.left: deque[memoryview] = deque()
        """What the reader could not send: it appends, whoever has the turn takes away."""
        self._guard = threading.Lock()
        self._left_bytes = 0

    def send(self, buffers: Sequence[Buffer]) -> None:
        """Send a packet; for every thread but the reader.

        Raises:
            StreamClosedError: The connection has ended.
            StreamStalledError: The other side took no byte in time; the stream is closed now.
        """
        with self._turn:
            if self.left:
                self._drain()
            self._stream.send(buffers)
        while self.left and self._turn.acquire(blocking=False):
            try:  # the reader left something while we had the turn, and does not know of room
                self._drain()
            finally:
                self._turn.release()

    def send_soon(self, buffers: Sequence[Buffer]) -> None:
        """Send a packet as soon as it goes; for the reader thread. The buffers may be reused.

        Raises:
            StreamClosedError: The connection has ended.
            StreamFullError: Too much is left already.
        """
        if self._turn.acquire(blocking=False):
            try:
                if not self.left:
                    buffers = self._stream.send_now(buffers)
                if buffers:
                    self._leave(buffers)
            finally:
                self._turn.release()
        else:
            self._leave(buffers)
        self.push()

    def push(self) -> bool:
        """Send what was left, as far as it goes at once; False: try again when there is room.

        Raises:
            StreamClosedError: The connection has ended.
        """
        while self.left and self._turn.acquire(blocking=False):
            try:
                while self.left:
                    rest = self._stream.send_now([self.left[0]])
                    if rest:
                        self._shrunk(rest[0])
                        return False
                    self._sent()
            finally:
                self._turn.release()
        return True

    def _drain(self) -> None:
        while self.left:
            self._stream.send([self.left[0]])
            self._sent()

    def _leave(self, buffers: Sequence[Buffer]) -> None:
        packet = b"".join(buffers)
        with self._guard:
            if self.left and self._left_bytes + len(packet) > MAX_WAITING_BYTES:
                raise StreamFullError(self._stream.peer, MAX_WAITING_BYTES)
            self._left_bytes += len(packet)
        self.left.append(memoryview(packet))

    def _shrunk(self, rest: memoryview) -> None:
        with self._guard:
            self._left_bytes -= self.left[0].nbytes - rest.nbytes
        self.left[0] = rest

    def _sent(self) -> None:
        with self._guard:
            self._left_bytes -= self.left.popleft().nbytes
