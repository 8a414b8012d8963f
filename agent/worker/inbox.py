"""Frames that wait for the compute thread, oldest first; bounded in frames and bytes."""

import threading
from collections import deque
from typing import NamedTuple

from wire.frame import Frame
from wire.hop import Position


class Waiting(NamedTuple):
    """A frame that passed its checks."""

    frame: Frame
    position: Position
    size_bytes: int
    received: int
    """Monotonic nanoseconds."""
    decoded_bytes: int = 0
    """What its tensors take in the segment's hands."""


class Inbox:
    """When full, ``put`` refuses: senders keep to their credit, so this is the last wall."""

    def __init__(self, max_frames: int, max_bytes: int) -> None:
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._waiting: deque[Waiting] = deque()
        self._bytes = 0
        self._woken = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: Waiting) -> bool:
        """Append a frame; False: there is no room for it."""
        with self._changed:
            full = len(self._waiting) >= self._max_frames
            if full or self._bytes + item.size_bytes > self._max_bytes:
                return False
            self._waiting.append(item)
            self._bytes += item.size_bytes
            self._changed.notify()
            return True

    def get(
        self, timeout_seconds: float, max_frames: int = 1, max_wait_seconds: float = 0.0
    ) -> list[Waiting]:
        """Return the oldest frames; none after the timeout or a ``wake``.

        Args:
            timeout_seconds: How long to wait for the first.
            max_frames: How many at most; fewer where their tensors would take more than the inbox.
            max_wait_seconds: How long to wait, from the first one on, for as many as that.
        """
        with self._changed:
            if not self._waiting and not self._woken:
                self._changed.wait(timeout_seconds)
            if max_wait_seconds and self._waiting:
                self._changed.wait_for(
                    lambda: self._woken or len(self._waiting) >= max_frames, max_wait_seconds
                )
            self._woken = False
            taken: list[Waiting] = []
            room = self._max_bytes
            while self._waiting and len(taken) < max_frames:
                room -= self._waiting[0].decoded_bytes
                if taken and room < 0:
                    break
                taken.append(self._waiting.popleft())
            self._bytes -= sum(item.size_bytes for item in taken)
            return taken

    def wake(self) -> None:
        """Let ``get`` return at once: there is something else to do."""
        with self._changed:
            self._woken = True
            self._changed.notify()
