"""A plan made better by other orders of its devices, each with the best cuts for that order.

With the order given, the best cuts are found at once. So orders are tried that differ a little: two
devices swapped, one replaced by one that has nothing to do, one more, one less.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from fleet.planner import latency, spaces, throughput
from fleet.planner.problem import Goal
from fleet.planner.tables import Tables, Walk

MOST_TRIES: Final = 1500
MOST_WORK: Final = 4_000_000
"""Of all tries, stages x device types: with more devices fewer are tried."""
WORTH_IT: Final = 1e-4
"""Another order is taken when it saves at least this share."""


def reordered(tables: Tables, goal: Goal, walk: Walk, fewest: int) -> Walk:
    """Return a walk that is at least as good, of ``fewest`` stages or more."""
    order = tuple(kind for kind, _, _ in walk)
    value, walk = _cut(tables, goal, order, math.inf)
    tries = min(MOST_TRIES, MOST_WORK // (len(order) * len(tables.types)))
    moved = True
    while moved and tries > 0:
        moved = False
        for other in _neighbours(tables, order):
            tries -= 1
            if len(other) < fewest:
                continue
            found, better = _cut(tables, goal, other, value)
            if better:
                value, walk, order, moved = found, better, other, True
                break
            if tries <= 0:
                break
    return walk


def _cut(
    tables: Tables, goal: Goal, order: Sequence[int], known_seconds: float
) -> tuple[float, Walk]:
    """Return the best cuts for an order if they are clearly better than what is known."""
    space = spaces.ordered(len(tables.types), order)
    enough = min(known_seconds * (1 - WORTH_IT), throughput.NO_LIMIT)
    if goal == "latency":
        value, walk = latency.shortest(tables, space, len(order))
        return (value, walk) if value <= enough else (math.inf, ())
    if not throughput.within(tables, space, len(order), enough).walk():
        return math.inf, ()
    return throughput.fastest(tables, space, len(order))


def _neighbours(tables: Tables, order: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    idle = [k for k, members in enumerate(tables.types) if order.count(k) < len(members)]
    places = range(len(order))
    for first in places:
        for second in range(first + 1, len(order)):
            if order[first] != order[second]:
                swapped = list(order)
                swapped[first], swapped[second] = order[second], order[first]
                yield tuple(swapped)
    for place in places:
        yield (*order[:place], *order[place + 1 :])
        for kind in idle:
            yield (*order[:place], kind, *order[place + 1 :])
            yield (*order[:place], kind, *order[place:])
    for kind in idle:
        yield (*order, kind)
