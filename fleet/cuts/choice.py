"""Where to cut: the slowest segment as fast as can be, then little to send.

A pipeline's throughput is one over its slowest segment. So, over all chains of downsets that a
space holds, the choice first makes the costliest segment as cheap as possible; among all choices
within 5 % of that, it takes the one where the fewest bytes cross the cuts, then the fewest
tensors, then the one whose costliest segment is cheapest. Costs are any non-negative numbers:
operations, or measured seconds.

Pure: no I/O. Source: dynamic programming over the number of segments. The cuts before a place are
all places of earlier blocks, sorted by cost, and the beginnings of some chains of its own block:
ranges, so each segment more is O((places + ranges) * log places), vectorised. Places that are too
near to an end for so many segments within the limit are left out.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from fleet.cuts.graph import MAX_TENSORS
from fleet.cuts.ranges import FAR, Numbers, Ranges
from fleet.cuts.space import Space

SLACK: Final = 1.05
"""How much slower than the best the slowest segment may be, to send less."""
MAX_SEGMENTS: Final = 1_000
"""More are never chosen: a choice takes time and memory for each."""
_ROUNDING: Final = 1 + 1e-9


@dataclass(frozen=True, slots=True)
class Choice:
    """Chosen cuts and what they come to."""

    places: tuple[int, ...]
    """Of the space, in order; both ends are left out."""
    slowest_cost: float
    crossing_bytes: int
    crossing_tensors: int


def largest(space: Space) -> int:
    """Return the largest number of segments that can be chosen: 0 where nothing runs."""
    longest = np.ones(len(space.places), np.int64)  # chain of places that ends here, in its block
    longest[0] = 0
    owners, firsts = np.unique(space.owners, return_index=True)
    below = np.split(space.stops - 1, firsts[1:])
    order = np.argsort(space.sizes()[owners], kind="stable")
    for number in order.tolist():
        longest[owners[number]] = longest[below[number]].max() + 1
    blocks = np.unique(space.earlier, return_index=True)[1]
    return min(int(np.maximum.reduceat(longest, blocks).sum()), MAX_SEGMENTS)


def choose(
    space: Space, costs: Mapping[int, float], segments: int, slack: float = SLACK
) -> Choice | None:
    """Return the best cuts into exactly ``segments``, or None when there are not so many.

    ``costs`` are by the caller's numbers of the operators, finite and not negative; ``slack`` is
    how much more the costliest segment may cost than it must, to send less.
    """
    if not 1 <= segments <= min(MAX_SEGMENTS, len(space.places) - 1):
        return None
    search = _Search(space, space.spent(costs))
    fastest = search.fastest(segments)
    if fastest >= FAR:
        return None
    places = search.leanest(segments, int(fastest * slack * _ROUNDING))
    chosen = np.array(places, np.int64)
    return Choice(
        places=places,
        slowest_cost=max(
            math.fsum(costs[index] for index in inside) for inside in _between(space, places)
        ),
        crossing_bytes=int(space.size_bytes[chosen].sum()),
        crossing_tensors=int(space.tensors[chosen].sum()),
    )


def segments_of(space: Space, choice: Choice) -> list[frozenset[int]]:
    """Return the operators of each segment, by the caller's numbers."""
    return _between(space, choice.places)


def _between(space: Space, places: tuple[int, ...]) -> list[frozenset[int]]:
    done = [space.before(place) for place in (0, *places, space.end)]
    return [after - before for before, after in pairwise(done)]


class _Search:
    """One space with one set of costs."""

    def __init__(self, space: Space, spent: Numbers) -> None:
        self.spent = spent
        self.end = space.end
        self.weight = space.size_bytes * (MAX_SEGMENTS * MAX_TENSORS) + space.tensors
        every = np.arange(len(spent))
        by_cost = np.lexsort((spent, space.earlier))
        self.earlier = Ranges(by_cost, spent[by_cost], 0 * every, space.earlier, every, spent)
        """Of each place: all places of earlier blocks."""
        self.own = Ranges(
            every, spent, space.starts, space.stops, space.owners, spent[space.owners]
        )
        """Of each place: some chains of its own block."""

    def fastest(self, segments: int) -> int:
        """Return the least possible cost of the costliest segment; ``FAR`` where there is none."""
        along_chains = self.own.only(self.own.stops == self.own.owners)  # a bound, soon found
        limit = self._fastest(segments, along_chains, FAR)
        return self._fastest(segments, self.own, limit)

    def _fastest(self, segments: int, own: Ranges, limit: int) -> int:
        slowest = self._at_start()
        for done in range(1, segments + 1):
            near = [
                self._within_reach(kind, done, segments - done, limit)
                for kind in (self.earlier, own)
            ]
            slowest = self._least((kind, kind.slowest(slowest)) for kind in near)
        return int(slowest[self.end])

    def leanest(self, segments: int, limit: int) -> tuple[int, ...]:
        """Return the cuts that send least, no segment costing more than ``limit``."""
        ranges = [kind.within(limit) for kind in (self.earlier, self.own)]
        sent, slowest = [self._at_start()], [self._at_start()]
        for done in range(1, segments + 1):
            near = [self._within_reach(kind, done, segments - done, limit) for kind in ranges]
            found = [(kind, kind.least(sent[-1])) for kind in near]
            least = self._least(found)
            best = [kind.only((lean < FAR) & (lean == least[kind.owners])) for kind, lean in found]
            slowest.append(
                self._least(
                    (kind, kind.slowest_where(sent[-1], least[kind.owners], slowest[-1]))
                    for kind in best
                )
            )
            sent.append(np.where(least < FAR, least + self.weight, FAR))
        place, places = self.end, []
        for done in range(segments - 1, 0, -1):
            lean = sent[done] == sent[done + 1][place] - self.weight[place]
            cost = np.maximum(slowest[done], self.spent[place] - self.spent)
            fast = cost == slowest[done + 1][place]
            inside = np.logical_or(*(kind.of(place) for kind in ranges))
            place = int(np.flatnonzero(inside & lean & fast)[0])
            places.append(place)
        return tuple(reversed(places))

    def _within_reach(self, ranges: Ranges, done: int, left: int, limit: int) -> Ranges:
        """Return the ranges of places that so many segments within ``limit`` lead to and from."""
        total = int(self.spent[self.end])
        limit = min(limit, total)
        near = (self.spent <= done * limit) & (total - self.spent <= left * limit)
        return ranges.only(near[ranges.owners])

    def _at_start(self) -> Numbers:
        values = np.full(len(self.spent), FAR)
        values[0] = 0
        return values

    def _least(self, found: Iterable[tuple[Ranges, Numbers]]) -> Numbers:
        """Return, of each place, the least that its ranges have."""
        values = np.full(len(self.spent), FAR)
        for ranges, numbers in found:
            np.minimum.at(values, ranges.owners, numbers)
        return values
