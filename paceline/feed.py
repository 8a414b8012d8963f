"""The frames that a stream has still to submit: one at a time, at a pace."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from paceline.read_ahead import ReadAhead

_NO_MORE: Final = object()


class Feed:
    """What the caller's iterator gives, until it ends, raises, or is given up.

    What it raises is kept as ``error``: the frames before it have their answers first.

    Args:
        source: Gives the inputs of each frame; a `ReadAhead` is asked only when it is ready.
        rate: Frames a second at most; None: no limit.
        now: Monotonic seconds; the first frame is due now.
    """

    def __init__(self, source: Iterator[Any], rate: float | None, now: float) -> None:
        self.over = False
        self.error: Exception | None = None
        self.reads_ahead = isinstance(source, ReadAhead)
        """Whether frames are taken in a thread of their own: there can be none yet, or too many."""
        self.paced = rate is not None
        """Whether the next frame may have to wait for its time."""
        self._source = source
        self._ahead = source if isinstance(source, ReadAhead) else None
        self._rate = rate
        self._began = now
        self._submitted = 0
        self._taken: Any = _NO_MORE

    def start(self, tell: Callable[[], None]) -> None:
        """Begin; ``tell`` is called, in another thread, when a frame has come."""
        if self._ahead is not None:
            self._ahead.start(tell)

    def close(self) -> None:
        """Take no more from what reads ahead."""
        if self._ahead is not None:
            self._ahead.close()

    @property
    def idle(self) -> bool:
        """Whether no frame has come that could be submitted; asking for one would wait."""
        return self._ahead is not None and self._taken is _NO_MORE and not self._ahead.ready

    def passed_over(self) -> int:
        """Return how many frames were passed over since this was asked, before ``next`` one's."""
        if self._ahead is None:
            return 0
        return self._ahead.passed_over(taken=self._taken is not _NO_MORE)

    def due_seconds(self, now: float) -> float:
        """Return how long it is until the next frame may be submitted."""
        if self._rate is None:
            return 0.0
        return max(0.0, self._began + self._submitted / self._rate - now)

    def next(self) -> Any:
        """Return the next frame's inputs, the same until they are ``submitted``; None: over."""
        if self._taken is _NO_MORE and not self.over:
            try:
                self._taken = next(self._source, _NO_MORE)
            except Exception as error:  # noqa: BLE001 the caller's own, and theirs to have again
                self.end(error)
            else:
                self.over = self._taken is _NO_MORE
        return None if self.over else self._taken

    def submitted(self) -> None:
        """The frame is on its way; the next one's turn."""
        self._taken = _NO_MORE
        self._submitted += 1

    def end(self, error: Exception) -> None:
        """Take no more; ``error`` says why."""
        self.over = True
        self.error = error
