"""What happened within the last seconds: amounts with the time that they came in. Pure."""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Amounts of the last so many seconds, oldest first.

    Args:
        seconds: What is older is forgotten.
        most: However much comes, no more are kept: the oldest goes.
    """

    def __init__(self, seconds: float, most: int = 256) -> None:
        self._seconds = seconds
        self._entries: deque[tuple[float, float, T]] = deque(maxlen=most)

    def add(self, begin: float, end: float, amount: T) -> None:
        """Keep what came about between two monotonic instants, at most now."""
        self._entries.append((begin, end, amount))

    def within(self, now: float) -> Iterator[T]:
        """Yield the amounts that are not too old."""
        self._forget(now)
        return (amount for _, _, amount in self._entries)

    def seconds(self, now: float) -> float:
        """Return over how long they came about, up to the newest; 0: there are none."""
        self._forget(now)
        if not self._entries:
            return 0.0
        return self._entries[-1][1] - self._entries[0][0]

    def _forget(self, now: float) -> None:
        while self._entries and self._entries[0][1] < now - self._seconds:
            self._entries.popleft()
