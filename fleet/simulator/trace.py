"""What happened in a run: when resources were busy, how long queues were, how frames ended."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Literal, NamedTuple

Outcome = Literal["result", "error", "drop"]
Resource = tuple[str, ...]
"""A device, ``("a",)``; a link, ``("a", "b")``; the client, ``()``."""


class Span(NamedTuple):
    """A resource was busy with a frame."""

    began: float
    ended: float
    sequence: int


class Ending(NamedTuple):
    """How a frame ended, and when."""

    sequence: int
    submitted: float
    ended: float
    outcome: Outcome
    code: str
    """Why, unless it is a result."""

    @property
    def latency_seconds(self) -> float:
        """Return how long it was in flight."""
        return self.ended - self.submitted


class Trace:
    """Everything that is needed to tell what a run was like. Spans of a resource are in order."""

    def __init__(self) -> None:
        self.busy: defaultdict[Resource, list[Span]] = defaultdict(list)
        self.blocked: defaultdict[Resource, list[Span]] = defaultdict(list)
        """Of devices: computed, and waiting for credit."""
        self.steps: defaultdict[Resource, list[tuple[float, int]]] = defaultdict(list)
        """A queue grew or shrank; not in order. A device's inbox, what waits for a link,
        the client's frames in flight."""
        self.endings: list[Ending] = []
        """In order."""
        self.killed: list[tuple[float, int]] = []
        """When, and how many frames had ended by then."""


def busy_seconds(spans: Sequence[Span], edges: Sequence[float]) -> list[float]:
    """Return how long a resource was busy between each two neighbours of ``edges``."""
    begins = [span.began for span in spans]
    sums = [0.0, *accumulate(span.ended - span.began for span in spans)]

    def before(instant: float) -> float:
        index = bisect_right(begins, instant)
        over = max(0.0, spans[index - 1].ended - instant) if index else 0.0
        return sums[index] - over

    return [before(end) - before(begin) for begin, end in pairwise(edges)]


def time_at_lengths(
    steps: Sequence[tuple[float, int]], edges: Sequence[float]
) -> list[dict[int, float]]:
    """Return for how many seconds a queue had each length, between each two of ``edges``."""
    found: list[dict[int, float]] = []
    ordered = sorted(steps, key=lambda step: step[0])
    length = index = 0
    now = 0.0
    for number, edge in enumerate(edges):
        spent: defaultdict[int, float] = defaultdict(float)
        while index < len(ordered) and ordered[index][0] <= edge:
            instant, change = ordered[index]
            spent[length] += instant - now
            length += change
            now = instant
            index += 1
        spent[length] += edge - now
        now = edge
        if number:
            found.append(dict(spent))
    return found
