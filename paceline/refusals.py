"""When to leave a pipeline alone for a while: asking it faster would help nobody.

A full inbox or lane refuses at once, and so does an entry of an older version that drains. As long
as the route stays as it is, a window of refusals in a row is followed by a pause, each twice as
long as the one before, up to ``LONGEST_SECONDS``. The first result and a new generation end it.

Pure: ``now`` is monotonic seconds. Not for two threads at once; the caller locks.
"""

from typing import Final

NOT_NOW: Final = frozenset({"worker.draining", "inbox.full", "lane.full"})
"""Errors that say: not now."""
FIRST_SECONDS: Final = 0.25
LONGEST_SECONDS: Final = 2.0
"""Longer than a worker that drains waits for quiet, so that it is let go."""


class Refusals:
    """The refusals of one pipeline since it last gave a result."""

    def __init__(self) -> None:
        self.any = False
        """Whether there were some: otherwise there is nothing to pause for, nor to forget."""
        self._generation: int | None = None
        self._in_a_row = 0
        self._pause_seconds = 0.0
        self._until = 0.0

    def routed(self, generation: int) -> None:
        """The route names this generation; another than before is asked at once."""
        if generation != self._generation:
            self._generation = generation
            self.answered()

    def answered(self) -> None:
        """A result came."""
        self.any = False
        self._in_a_row = 0
        self._pause_seconds = 0.0
        self._until = 0.0

    def refused(self, code: str, generation: int, window: int, now: float) -> None:
        """A stage of ``generation`` said ``code``; after ``window`` refusals there is a pause."""
        if code not in NOT_NOW or generation != self._generation:
            return
        self.any = True
        self._in_a_row += 1
        if self._in_a_row >= window:
            self._in_a_row = 0
            self._pause_seconds = min(LONGEST_SECONDS, max(FIRST_SECONDS, 2 * self._pause_seconds))
            self._until = now + self._pause_seconds

    def pause_seconds(self, now: float) -> float:
        """Return how long to submit nothing."""
        return max(0.0, self._until - now)
