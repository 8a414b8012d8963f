"""Messages on their way from the broker's thread to the hub's event loop; bounded."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

MOST: Final = 20_000
MOST_BYTES: Final = 64 << 20


class Arrived(NamedTuple):
    """One message."""

    topic: str
    payload: bytes
    at: float
    """Monotonic seconds."""
    unix_ns: int


class Inbox:
    """Takes messages in one thread, gives them to another; when full, what comes is dropped.

    Telemetry is told again within seconds, and what is retained can be asked for: so a hub that
    cannot keep up sees less, and says so, instead of growing.

    Args:
        wake: Called in the session's thread when there is something after there was nothing.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.dropped = 0
        self._wake = wake
        self._waiting: deque[Arrived] = deque()
        self._bytes = 0
        self._guard = threading.Lock()

    def put(self, topic: str, payload: bytes) -> None:
        """Take a message; called in the session's thread."""
        with self._guard:
            full = len(self._waiting) >= MOST or self._bytes + len(payload) > MOST_BYTES
            if full:
                self.dropped += 1
                return
            first = not self._waiting
            self._waiting.append(Arrived(topic, payload, time.monotonic(), time.time_ns()))
            self._bytes += len(payload)
        if first:
            self._wake()

    def take(self, most: int) -> list[Arrived]:
        """Return the oldest messages, at most so many."""
        with self._guard:
            taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
            self._bytes -= sum(len(arrived.payload) for arrived in taken)
        return taken

    def lag_seconds(self) -> float:
        """Return how old the oldest message is that waits."""
        with self._guard:
            return time.monotonic() - self._waiting[0].at if self._waiting else 0.0
