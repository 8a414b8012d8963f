"""Simulated time: what happens next, and when. Equal times keep the order they were entered in."""

import heapq
from collections.abc import Callable
from typing import Any, Final

from fleet.simulator.errors import SimulationTooLongError

MOST_EVENTS: Final = 30_000_000
"""Of one run; a few minutes of processor time."""


class Events:
    """What is to happen."""

    def __init__(self) -> None:
        self.now = 0.0
        """Simulated seconds."""
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._entered = 0

    def at(self, seconds: float, action: Callable[..., None], *what: Any) -> None:
        """Let ``action(*what)`` happen at an instant that is not over."""
        heapq.heappush(self._heap, (seconds, self._entered, action, what))
        self._entered += 1

    def step(self) -> None:
        """Let the next thing happen.

        Raises:
            SimulationTooLongError: Too much has happened.
        """
        if self._entered > MOST_EVENTS:
            raise SimulationTooLongError(self.now, MOST_EVENTS)
        self.now, _, action, what = heapq.heappop(self._heap)
        action(*what)
