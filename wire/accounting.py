"""What became of every frame that one client submitted.

    submitted = results + errors + drops + in_flight

at every instant, and each frame ends exactly once. No I/O, no clock: ``now`` is monotonic
seconds. Not for two threads at once.
"""

from collections import Counter
from typing import Final, Literal

DEADLINE: Final = "frame.deadline"
_MAX_UNEXPLAINED: Final = 4096


class Accounting:
    """The account of one stream."""

    def __init__(self) -> None:
        self.submitted = 0
        self.results = 0
        self.drops = 0
        self.errors: Counter[str] = Counter()
        self.late = 0
        """Answers to frames that had already ended."""
        self._in_flight: dict[int, float] = {}
        self._unexplained: dict[int, None] = {}

    @property
    def in_flight(self) -> int:
        """Frames submitted that have not ended."""
        return len(self._in_flight)

    @property
    def lost(self) -> int:
        """Frames that ended by deadline here and of which no stage has said why: a defect."""
        return len(self._unexplained)

    @property
    def balanced(self) -> bool:
        """Whether the sum holds."""
        ended = self.results + self.errors.total() + self.drops
        return self.submitted == ended + self.in_flight

    def submit(self, sequence: int, deadline_at: float) -> None:
        """A frame is on its way; it ends at the latest at ``deadline_at``.

        Raises:
            ValueError: A frame of that number is in flight: a bug in the caller.
        """
        if sequence in self._in_flight:
            raise ValueError(f"frame {sequence} is in flight already")
        self.submitted += 1
        self._in_flight[sequence] = deadline_at

    def result(self, sequence: int) -> bool:
        """A result came; False: the frame had already ended, and the result is dropped."""
        if self._in_flight.pop(sequence, None) is None:
            return self._came_late(sequence)
        self.results += 1
        return True

    def error(self, sequence: int, code: str) -> bool:
        """An error came; False: the frame had already ended."""
        if self._in_flight.pop(sequence, None) is None:
            return self._came_late(sequence)
        self.errors[code] += 1
        return True

    def drop(self, sequence: int) -> bool:
        """The entry's policy dropped the frame."""
        if self._in_flight.pop(sequence, None) is None:
            return self._came_late(sequence)
        self.drops += 1
        return True

    def expire(self, now: float) -> list[int]:
        """End every frame whose deadline has passed; returns their sequence numbers."""
        expired = [s for s, deadline_at in self._in_flight.items() if deadline_at <= now]
        for sequence in expired:
            del self._in_flight[sequence]
            self.errors[DEADLINE] += 1
            if len(self._unexplained) < _MAX_UNEXPLAINED:
                self._unexplained[sequence] = None
        return expired

    def explained(self, sequence: int) -> None:
        """Why a frame that may have ended by deadline had no answer is known now."""
        self._unexplained.pop(sequence, None)

    def _came_late(self, sequence: int) -> Literal[False]:
        self.late += 1
        self._unexplained.pop(sequence, None)
        return False
