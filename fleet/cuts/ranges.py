"""Questions about many ranges of places at once: where in each is the best cut before a place?

Along a range costs do not fall, so the segment from a place of it to the place that the range
belongs to gets cheaper. All answers are exact; numbers are whole, and ``FAR`` is beyond them all.

Source: sparse tables (the least of any range from two overlapping powers of two), and a descent
through them to find where along a range a condition begins to hold.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
FAR: Final = 1 << 62
"""More than any cost, and more than any number of bytes and tensors."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """Ranges in one order of the places, along each of which costs do not fall.

    Each belongs to one place: all of the range may be the cut before it.
    """

    order: Numbers
    """The order: places."""
    spent: Numbers
    """Along the order: what all operators before the place cost."""
    starts: Numbers
    stops: Numbers
    """Of each range; it is empty where they are equal."""
    owners: Numbers
    """Of each range: the place that it belongs to."""
    reached: Numbers
    """Of each range: what all operators before that place cost."""

    def only(self, which: NDArray[np.bool_]) -> "Ranges":
        """Return the ranges that are marked."""
        return replace(
            self,
            starts=self.starts[which],
            stops=self.stops[which],
            owners=self.owners[which],
            reached=self.reached[which],
        )

    def of(self, owner: int) -> NDArray[np.bool_]:
        """Return which places are in ranges of ``owner``."""
        found = np.zeros(len(self.order), np.bool_)
        for number in np.flatnonzero(self.owners == owner):
            found[self.order[self.starts[number] : self.stops[number]]] = True
        return found

    def within(self, limit: int) -> "Ranges":
        """Return the ranges from where on no segment costs more than ``limit``."""
        at = self.stops.copy()
        least = self.reached - limit
        for level in reversed(range(_levels(self.starts, self.stops))):
            step = at - (1 << level)
            here = np.maximum(step, 0)
            at = np.where((step >= self.starts) & (self.spent[here] >= least), here, at)
        return replace(self, starts=at)

    def least(self, values: Numbers) -> Numbers:
        """Return the least value of each range, ``FAR`` where it is empty."""
        lengths = self.stops - self.starts
        table = _table(values[self.order], _levels(self.starts, self.stops))
        level = np.maximum(np.frexp(lengths)[1] - 1, 0)
        behind = np.maximum(self.stops - (1 << level), 0)
        first = np.minimum(self.starts, len(self.order) - 1)
        found = np.minimum(table[level, first], table[level, behind])
        return np.where(lengths > 0, found, FAR)

    def slowest(self, before: Numbers) -> Numbers:
        """Return, over each range, the least possible slowest cost.

        That of a place is what it was ``before`` it, or the segment from it on.
        """
        return _slowest(before[self.order], self.spent, self.starts, self.stops, self.reached)

    def slowest_where(self, values: Numbers, wanted: Numbers, before: Numbers) -> Numbers:
        """Return the same over those places of each range whose value is the ``wanted`` one."""
        distinct, rank = np.unique(values[self.order], return_inverse=True)
        together = np.argsort(rank, kind="stable")
        length = len(self.order)
        keys = rank[together] * length + together
        wanted_rank = np.minimum(np.searchsorted(distinct, wanted), len(distinct) - 1) * length
        starts = np.searchsorted(keys, wanted_rank + self.starts)
        stops = np.searchsorted(keys, wanted_rank + self.stops)
        among = self.order[together]
        return _slowest(before[among], self.spent[together], starts, stops, self.reached)


def _levels(starts: Numbers, stops: Numbers) -> int:
    """Return how many powers of two the longest range needs."""
    return int((stops - starts).max(initial=0)).bit_length()


def _table(values: Numbers, levels: int) -> Numbers:
    """Return, by level and index, the least of the 2**level values from there on."""
    table = np.full((max(levels, 1), len(values)), FAR)
    table[0] = values
    for level in range(1, levels):
        half = 1 << (level - 1)
        width = len(values) - 2 * half + 1
        np.minimum(
            table[level - 1, :width],
            table[level - 1, half : half + width],
            out=table[level, :width],
        )
    return table


def _slowest(
    before: Numbers, spent: Numbers, starts: Numbers, stops: Numbers, reached: Numbers
) -> Numbers:
    # From its end, each range is followed for as long as what was slowest before is not less
    # than the segment from there on. The best is the last of these, or the next.
    levels = _levels(starts, stops)
    at, least = stops.copy(), np.full(len(stops), FAR)
    table = _table(before, levels)
    for level in reversed(range(levels)):
        step = at - (1 << level)
        here = np.maximum(step, 0)
        together = np.minimum(least, table[level, here])
        follow = (step >= starts) & (together >= reached - spent[here])
        at, least = np.where(follow, here, at), np.where(follow, together, least)
    following = np.maximum(at - 1, 0)
    return np.where(at > starts, np.minimum(least, reached - spent[following]), least)
