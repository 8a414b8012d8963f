"""Where to cut: the slowest segment as fast as can be, then little to send.

A pipeline's throughput is one over its slowest segment. So, over the positions of one order of
operators, the choice first makes the costliest segment as cheap as possible; among all choices
within 5 % of that, it takes the one where the fewest bytes cross the cuts, then the fewest
tensors. Costs are any non-negative numbers: operations now, measured seconds as well.

Pure: no I/O. Source: bottleneck partition by bisection over a greedy test; then dynamic
programming with a sliding-window minimum, O(segments * positions).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

SLACK: Final = 1.05
"""How much slower than the best the slowest segment may be, to send less."""
MAX_TENSORS: Final = 128
MAX_BYTES: Final = 128 << 20
"""Across one cut: half of what one frame may hold, since a golden frame holds two cuts."""


class Life(NamedTuple):
    """When one tensor exists, in positions: position ``p`` lies before operator ``p``."""

    born: int
    """First position at which it exists; 0 for inputs."""
    needed: int
    """Last position at which it is still needed; the number of operators for outputs."""
    size_bytes: int
    movable: bool
    """Whether a tensor of its type may cross a cut."""


class Frontier(NamedTuple):
    """What would cross a cut at one position."""

    size_bytes: int
    tensors: int
    valid: bool


@dataclass(frozen=True, slots=True)
class Order:
    """One order of a model's operators: what each costs, and what crosses between them."""

    costs: tuple[float, ...]
    frontiers: tuple[Frontier, ...]
    """One more than costs: before each operator, and after the last."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Chosen positions and what they come to."""

    positions: tuple[int, ...]
    """Of the cuts alone: both ends are left out."""
    slowest_cost: float
    crossing_bytes: int
    crossing_tensors: int


def frontiers(lives: Iterable[Life], operators: int) -> tuple[Frontier, ...]:
    """Return what crosses at each position from 0 to ``operators``."""
    size_bytes = [0] * (operators + 2)
    tensors = [0] * (operators + 2)
    fixed = [0] * (operators + 2)
    for life in lives:
        if life.needed < life.born:
            continue
        for sums, amount in (
            (size_bytes, life.size_bytes),
            (tensors, 1),
            (fixed, 0 if life.movable else 1),
        ):
            sums[life.born] += amount
            sums[life.needed + 1] -= amount
    columns = zip(accumulate(size_bytes), accumulate(tensors), accumulate(fixed), strict=True)
    found = [
        Frontier(size, count, not stuck and count <= MAX_TENSORS and size <= MAX_BYTES)
        for size, count, stuck in columns
    ]
    return tuple(found[: operators + 1])


def largest(order: Order) -> int:
    """Return the largest number of segments that ``order`` can be cut into."""
    return len(_ends(order)) - 1


def choose(order: Order, segments: int) -> Choice | None:
    """Return the best cuts into exactly ``segments``, or None when there are not so many."""
    ends = _ends(order)
    if not 1 <= segments <= len(ends) - 1:
        return None
    spent = [0.0, *accumulate(order.costs)]
    reached = [spent[position] for position in ends]
    limit = _bottleneck(reached, segments) * SLACK
    crossing = [(order.frontiers[p].size_bytes, order.frontiers[p].tensors) for p in ends]
    chosen = _cheapest(reached, crossing, segments, limit)
    bounds = [0, *chosen, len(ends) - 1]
    return Choice(
        positions=tuple(ends[index] for index in chosen),
        slowest_cost=max(reached[b] - reached[a] for a, b in pairwise(bounds)),
        crossing_bytes=sum(crossing[index][0] for index in chosen),
        crossing_tensors=sum(crossing[index][1] for index in chosen),
    )


def best(choices: Iterable[Choice]) -> Choice:
    """Return the best of several orders' choices, by the same rule; there is at least one."""
    found = list(choices)
    limit = min(choice.slowest_cost for choice in found) * SLACK
    return min(
        (choice for choice in found if choice.slowest_cost <= limit),
        key=lambda c: (c.crossing_bytes, c.crossing_tensors, c.slowest_cost),
    )


def _ends(order: Order) -> list[int]:
    last = len(order.costs)
    valid = [p for p in range(1, last) if order.frontiers[p].valid]
    return [0, *valid, last] if last else [0]


def _bottleneck(reached: Sequence[float], segments: int) -> float:
    """Return the least possible cost of the costliest of at most ``segments`` segments."""
    low = max(b - a for a, b in pairwise(reached))
    high = reached[-1] - reached[0]
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        if _segments_needed(reached, middle) <= segments:
            high = middle
        else:
            low = middle
    return high


def _segments_needed(reached: Sequence[float], limit: float) -> int:
    count, start = 1, reached[0]
    for before, here in pairwise(reached):
        if here - start > limit:
            count, start = count + 1, before
    return count


def _cheapest(
    reached: Sequence[float],
    crossing: Sequence[tuple[int, int]],
    segments: int,
    limit: float,
) -> list[int]:
    """Return the indices of the cuts that send least, no segment costing more than ``limit``."""
    last = len(reached) - 1
    before: list[tuple[int, int] | None] = [(0, 0), *[None] * last]
    origins: list[list[int]] = []
    for _ in range(segments):
        after: list[tuple[int, int] | None] = [None] * (last + 1)
        origin = [0] * (last + 1)
        window: deque[tuple[tuple[int, int], int]] = deque()
        for here in range(1, last + 1):
            entering = before[here - 1]
            if entering is not None:
                while window and window[-1][0] > entering:
                    window.pop()
                window.append((entering, here - 1))
            while window and reached[here] - reached[window[0][1]] > limit:
                window.popleft()
            if window:
                (size, tensors), origin[here] = window[0]
                after[here] = (size + crossing[here][0], tensors + crossing[here][1])
        origins.append(origin)
        before = after
    chosen = [last]
    for origin in reversed(origins):
        chosen.append(origin[chosen[-1]])
    return chosen[-2:0:-1]
