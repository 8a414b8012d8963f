"""Frames that wait for their turn, oldest first; bounded in frames and bytes."""

import queue
import threading
import time

import msgspec

from wire.frame import Frame
from wire.hop import Position


class Waiting(msgspec.Struct, frozen=True, eq=False):
    """A frame that passed its checks."""

    frame: Frame
    position: Position
    size_bytes: int
    received: int
    """Monotonic nanoseconds."""
    decoded_bytes: int = 0
    """What its tensors take in the segment's hands."""


class Inbox:
    """When full, ``put`` refuses: senders keep to their credit, so this is the last wall.

    One thread waits and takes; any may put and wake. (A `queue.SimpleQueue` hands over at half of
    what a condition costs, which is most of what a frame costs here.)
    """

    def __init__(self, max_frames: int, max_bytes: int) -> None:
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        """Guards the counts; never held while waiting."""
        self.frames = 0
        """How many were put and not taken."""
        self._bytes = 0
        self._woken = False
        self._coming: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        """None: a ``wake``, one at a time."""
        self._held: Waiting | None = None
        """The next one: it was waited for, or the last batch had no room for it."""

    def __len__(self) -> int:
        return self.frames

    def put(self, item: Waiting) -> bool:
        """Append a frame; False: there is no room for it."""
        with self._lock:
            full = self.frames >= self._max_frames
            if full or self._bytes + item.size_bytes > self._max_bytes:
                return False
            self.frames += 1
            self._bytes += item.size_bytes
        self._coming.put(item)
        return True

    def wait(self, seconds: float) -> None:
        """Wait until there is a frame to take; not longer than so long, or until a ``wake``."""
        self._held = self._next(seconds)

    def take(self, max_frames: int = 1, max_wait_seconds: float = 0.0) -> list[Waiting]:
        """Return the oldest frames; none where none waits.

        Args:
            max_frames: How many at most; fewer where their tensors would take more than the inbox.
            max_wait_seconds: How long to wait, from the first one on, for as many as that.
        """
        first = self._next(0.0)
        if first is None:
            return []
        taken = [first]
        if max_frames > 1:
            self._join(taken, max_frames, max_wait_seconds)
        with self._lock:
            self.frames -= len(taken)
            self._bytes -= sum([item.size_bytes for item in taken])
        return taken

    def wake(self) -> None:
        """Let ``wait`` return at once: there is something else to do."""
        with self._lock:
            if self._woken:
                return
            self._woken = True
        self._coming.put(None)

    def _join(self, taken: list[Waiting], max_frames: int, max_wait_seconds: float) -> None:
        """Take those that wait, or come soon, as long as there is room for their tensors."""
        until = time.monotonic() + max_wait_seconds
        room = self._max_bytes - taken[0].decoded_bytes
        while len(taken) < max_frames:
            item = self._next(max(0.0, until - time.monotonic()) if max_wait_seconds else 0.0)
            if item is None:
                return
            room -= item.decoded_bytes
            if room < 0:
                self._held = item
                return
            taken.append(item)

    def _next(self, seconds: float) -> Waiting | None:
        if self._held is not None:
            held, self._held = self._held, None
            return held
        try:
            item = self._coming.get(timeout=seconds) if seconds else self._coming.get_nowait()
        except queue.Empty:
            return None
        if item is None:
            self._woken = False
        return item
