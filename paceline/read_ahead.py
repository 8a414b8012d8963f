"""Take frames in a thread of its own, so that a camera that waits for light stops no stream."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, Self

END_SECONDS: Final = 1.0
"""How long ``close`` waits for a source that is just giving a frame."""
MAX_PASSED: Final = 1024
"""Frames passed over and not yet asked about, at most; then the source waits."""


class ReadAhead(Iterator[Any]):
    """An iterator's frames, a few ahead of whoever takes them.

    When ``room`` frames wait: with ``newest_wins`` the oldest of them is passed over and counted,
    else the source waits. What the source raises comes behind the frames before it.

    Args:
        source: Gives the frames; used and closed in the thread alone.
        room: Frames that wait, at most.
        newest_wins: Whether a newer frame takes the oldest one's place.
        stop: Once it is set, frames that still wait are taken no more.
    """

    def __init__(
        self,
        source: Iterator[Any],
        *,
        room: int = 1,
        newest_wins: bool = False,
        stop: threading.Event | None = None,
    ) -> None:
        self._source = source
        self._room = room
        self._newest_wins = newest_wins
        self._stop = stop or threading.Event()
        self._changed = threading.Condition()
        self._waiting: deque[Any] = deque()
        self._passed = 0
        self._passed_before = 0
        """Of those passed over, the ones that are older than the frame taken last."""
        self._over = False
        self._closed = False
        self._error: BaseException | None = None
        self._tell: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._read, name="frames ahead", daemon=True)

    def start(self, tell: Callable[[], None] = lambda: None) -> None:
        """Begin to read; ``tell`` is called in the thread when ``ready`` becomes true."""
        self._tell = tell
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether ``next`` returns or raises at once."""
        return bool(self._waiting) or self._over or self._closed or self._stop.is_set()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        with self._changed:
            self._changed.wait_for(lambda: self.ready)
            if self._waiting and not self._stop.is_set():
                self._passed_before += self._passed
                self._passed = 0
                self._changed.notify_all()
                return self._waiting.popleft()
            error, self._error = self._error, None
        raise error or StopIteration

    def passed_over(self, *, taken: bool) -> int:
        """Return how many frames were passed over since this was asked.

        Args:
            taken: Only those that are older than the frame taken last.
        """
        with self._changed:
            count, self._passed_before = self._passed_before, 0
            if not taken:
                count += self._passed
                self._passed = 0
            self._changed.notify_all()
            return count

    def close(self) -> None:
        """Read no more; a source that is busy for long is left to end by itself."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(END_SECONDS)

    def _read(self) -> None:
        try:
            for frame in self._source:
                if not self._put(frame):
                    break
        except BaseException as error:  # noqa: BLE001 whoever takes the frames has it again
            self._error = error
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()
            self._tell()
            close = getattr(self._source, "close", None)
            if close is not None:
                close()

    def _put(self, frame: Any) -> bool:
        """Let a frame wait; False: no more are wanted."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room)
            if self._closed:
                return False
            if len(self._waiting) == self._room:
                self._waiting.popleft()
                self._passed += 1
            self._waiting.append(frame)
            self._changed.notify_all()
        self._tell()
        return True

    @property
    def _has_room(self) -> bool:
        if self._newest_wins:
            return self._passed + self._passed_before < MAX_PASSED
        return len(self._waiting) < self._room
