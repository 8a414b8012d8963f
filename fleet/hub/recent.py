"""What happened within the last seconds: amounts with the instant that they came at. Pure."""

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
        self._entries: deque[tuple[float, T]] = deque(maxlen=most)

    def add(self, at: float, amount: T) -> None:
        """Keep what came at a monotonic instant."""
        self._entries.append((at, amount))

    def within(self, now: float) -> Iterator[T]:
        """Yield the amounts that are not too old."""
        while self._entries and self._entries[0][0] < now - self._seconds:
            self._entries.popleft()
        return (amount for _, amount in self._entries)
