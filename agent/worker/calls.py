"""Calls into a runtime's library, which may never come back: how long each may take.

Seconds alone say little: what is large, slow or throttled takes its time, and more of it for larger
inputs. So a call is overdue only if it also takes many times as long as runs took of late, in
proportion to its inputs. Time in which the process itself stood still (it was stopped, the machine
was paused) counts for nothing, and time in which its memory came back from a disk for little.
"""

import resource
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from agent.channel import HEARTBEAT_SECONDS
from agent.runtimes import Tensors

TIMES_LONGER: Final = 20
"""A call is overdue only if it takes so many times as long as the longest run of late."""
FADING: Final = 0.98
"""What a long run still counts for after each later one: the first of all often has to read."""
LOOK_SECONDS: Final = 2 * HEARTBEAT_SECONDS
"""What lies between two looks counts for no more: whoever looks was held up, too."""
SWAPPING: Final = 0.1
"""What a second counts for in which pages had to be read from a disk."""


class Pace:
    """How long the runs of one runtime took of late; at first nothing is known."""

    def __init__(self) -> None:
        self.longest_seconds = 0.0
        self._bytes = 0

    def took(self, seconds: float, inputs: Tensors) -> None:
        """Take note of a run that has ended."""
        self.longest_seconds *= FADING
        if seconds > self.longest_seconds:
            self.longest_seconds, self._bytes = seconds, _size_bytes(inputs)

    def allowed_seconds(self, inputs: Tensors) -> float:
        """Return how long a run on these inputs may take."""
        larger = max(1.0, _size_bytes(inputs) / max(1, self._bytes))
        return TIMES_LONGER * larger * self.longest_seconds


class Call:
    """Something that a library is called for; by one thread at a time.

    Args:
        what: A noun, such as ``run``.
        runtime: The library's.
        least_seconds: It is not overdue before.
        pace: Of that runtime.
    """

    def __init__(self, what: str, runtime: str, least_seconds: float, pace: Pace) -> None:
        self.what = what
        self.runtime = runtime
        self.pace = pace
        self.seconds = 0.0
        """How long the one under way had taken when it was looked at last."""
        self._counted_seconds = 0.0
        self._least_seconds = least_seconds
        self._inputs: Tensors = {}
        self._began: float | None = None

    def run(self, function: Callable[[Tensors], Tensors], inputs: Tensors) -> Tensors:
        """Return what a runtime's run returns; how long it takes sets the pace."""
        self._inputs, self._counted_seconds = inputs, 0.0
        self._began = began = time.monotonic()
        try:
            outputs = function(inputs)
        finally:
            self._began, self._inputs = None, {}
        self.pace.took(time.monotonic() - began, inputs)
        return outputs

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Do in the block what is no run."""
        self._counted_seconds, self._began = 0.0, time.monotonic()
        try:
            yield
        finally:
            self._began = None

    def seen(self, now: float, passed: float) -> bool:
        """Return whether the one under way is overdue now that ``passed`` more seconds count."""
        inputs, began = self._inputs, self._began  # in this order: a run may end in between
        if began is None:
            return False
        self.seconds = now - began
        self._counted_seconds += min(passed, self.seconds)
        allowed = self.pace.allowed_seconds(inputs)
        return self._counted_seconds > max(self._least_seconds, allowed)


class Looks:
    """How much of the time between two looks counts; each look follows a heartbeat."""

    def __init__(self) -> None:
        self._looked_at, self._faults = time.monotonic(), _major_faults()

    def overdue(self, calls: Iterable[Call]) -> Call | None:
        """Return one of the calls that takes too long."""
        now, faults = time.monotonic(), _major_faults()
        passed = counted(now - self._looked_at, swapping=faults != self._faults)
        self._looked_at, self._faults = now, faults
        late = [call for call in calls if call.seen(now, passed)]
        return late[0] if late else None


def counted(seconds: float, *, swapping: bool) -> float:
    """Return what the time between two looks counts for."""
    return min(seconds, LOOK_SECONDS) * (SWAPPING if swapping else 1.0)


def _major_faults() -> int:
    """Return how many pages this process had to read from a disk."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_majflt


def _size_bytes(inputs: Tensors) -> int:
    return sum(array.nbytes for array in inputs.values())
