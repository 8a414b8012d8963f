"""The plan whose slowest resource is fastest, in one space of states.

Whether a plan exists with every stage and transfer within a limit is a search over what can be
reached: (devices used, last device, position), all positions at once as booleans. The limit is
halved towards the answer. Each plan found lowers the upper end to what it really takes, and each
search in vain raises the lower end to the smallest time that stood in its way, so both meet at the
optimum itself, not within a tolerance of it.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fleet.planner.spaces import Layer
from fleet.planner.tables import Ints, Tables, Walk

Bools = NDArray[np.bool_]
NO_LIMIT: Final = sys.float_info.max
"""Everything is within it but infinity, which says that there is no link."""


def fastest(tables: Tables, space: Sequence[Layer], fewest: int) -> tuple[float, Walk]:
    """Return the smallest largest time of a plan, and the plan.

    Args:
        tables: The problem.
        space: Which sets of devices are told apart; as many layers as a plan may have stages.
        fewest: How many stages a plan must have.

    Returns:
        Infinity and no stages where nothing fits.
    """
    best = within(tables, space, fewest, NO_LIMIT).walk()
    if not best:
        return math.inf, ()
    low, high = 0.0, largest(tables, best)
    while low < high:
        limit = _between(low, high)
        found = within(tables, space, fewest, limit)
        if walk := found.walk():
            best, high = walk, min(limit, largest(tables, walk))
        else:
            low = found.next_limit()
    return high, best


def _between(low: float, high: float) -> float:
    """Return a limit from ``low`` to below ``high``: in the middle, by ratio while far apart."""
    middle = math.sqrt(low) * math.sqrt(high) if 0 < 2 * low < high else low + (high - low) / 2
    return middle if low < middle < high else low


def largest(tables: Tables, walk: Walk) -> float:
    """Return a plan's largest time, by the numbers that the search compares."""
    times = [tables.prefix[kind, end] - tables.prefix[kind, first] for kind, first, end in walk]
    times += [tables.transfer[here[0], there[0], here[2]] for here, there in pairwise(walk)]
    times += [tables.entry_transfer[walk[0][0]], tables.exit_transfer[walk[-1][0]]]
    return float(max(times))


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """What can be reached with every time within a limit."""

    tables: Tables
    space: Sequence[Layer]
    fewest: int
    limit: float
    in_time: Ints
    """[types, n + 1]: where a stage that ends at q may begin to be within the limit."""
    first: Ints
    """[types, n + 1]: where it may begin to fit into the memory, too."""
    passes: Bools
    """[types, types, n + 1]: whether a cut's transfer is within the limit."""
    reached: list[Bools]
    """Of each layer [types, rows, n + 1]: whether its stages can end at q, on that device."""

    def run(self) -> None:
        """Go from layer to layer until a plan of enough stages is complete."""
        for index, layer in enumerate(self.space):
            shape = (len(self.tables.types), layer.rows, self.tables.ops + 1)
            self.reached.append(np.zeros(shape, bool))
            for kind, (sources, targets) in enumerate(layer.moves):
                if len(sources):
                    begins = self._begins(index, kind, sources)
                    self.reached[-1][kind, targets] = _ends(begins, self.first[kind])
            if index + 1 >= self.fewest and self._complete(index).any():
                return

    def walk(self) -> Walk:
        """Return the plan of the fewest stages that is complete; an empty one if there is none."""
        last = len(self.reached) - 1
        complete = np.flatnonzero(self._complete(last))
        if last < self.fewest - 1 or not len(complete):
            return ()
        kind, row = divmod(int(complete[0]), self.space[last].rows)
        end = self.tables.ops
        walk = []
        for index in range(last, 0, -1):
            row = self.space[index].before(kind, row)
            begins = slice(self.first[kind, end], end)
            before = self.reached[index - 1][:, row, begins] & self.passes[:, kind, begins]
            previous, begin = map(int, np.argwhere(before)[0])
            begin += int(begins.start)
            walk.append((kind, begin, end))
            kind, end = previous, begin
        return ((kind, 0, end), *reversed(walk))

    def next_limit(self) -> float:
        """Return the smallest time above the limit that stands in the way of what was reached."""
        tables = self.tables
        ended = np.any([reached.any(axis=1) for reached in self.reached], axis=0)
        begun = (ended[:, None] & self.passes).any(axis=0)
        begun[:, 0] |= tables.entry_transfer <= self.limit
        times = [
            tables.entry_transfer[tables.entry_transfer > self.limit],
            tables.transfer[ended[:, None] & ~self.passes],
            tables.exit_transfer[ended[:, -1] & (tables.exit_transfer > self.limit)],
        ]
        for kind, prefix in enumerate(tables.prefix):
            begins = np.flatnonzero(begun[kind])
            ends = np.searchsorted(self.in_time[kind], begins, side="right")  # the first too late
            begins, ends = begins[ends <= tables.ops], ends[ends <= tables.ops]
            fits = tables.first_fit[kind, ends] <= begins
            times.append((prefix[ends] - prefix[begins])[fits])
        least = min((float(part.min()) for part in times if part.size), default=math.inf)
        return max(least, math.nextafter(self.limit, math.inf))

    def _begins(self, index: int, kind: int, sources: Ints) -> Bools:
        """Return [rows, n + 1], whether a stage may begin at p on a device of this type."""
        begins = np.zeros((len(sources), self.tables.ops + 1), bool)
        if not index:
            begins[:, 0] = self.tables.entry_transfer[kind] <= self.limit
            return begins
        for before, reached in enumerate(self.reached[index - 1]):
            if len(self.space[index - 1].moves[before][0]) and self.passes[before, kind].any():
                begins |= reached[sources] & self.passes[before, kind]
        return begins

    def _complete(self, index: int) -> Bools:
        """Return [types, rows], whether a plan of a layer ends the chain and reaches the sink."""
        leaves = self.tables.exit_transfer <= self.limit
        return self.reached[index][:, :, -1] & leaves[:, None]


def within(tables: Tables, space: Sequence[Layer], fewest: int, limit: float) -> Search:
    """Return what can be reached with every stage and transfer within ``limit`` seconds."""
    in_time = first_in_time(tables, limit)
    first = np.maximum(tables.first_fit, in_time)
    search = Search(tables, space, fewest, limit, in_time, first, tables.transfer <= limit, [])
    search.run()
    return search


def first_in_time(tables: Tables, limit: float) -> Ints:
    """Return [types, n + 1], where a stage that ends at q may begin to be within the limit."""
    return np.array([np.searchsorted(row, row - limit) for row in tables.prefix])


def _ends(begins: Bools, first: Ints) -> Bools:
    """Return [rows, n + 1], whether a stage may end at q, where it may begin at ``begins``."""
    positions = np.arange(begins.shape[1], dtype=np.int32)
    latest = np.maximum.accumulate(np.where(begins, positions, np.int32(-1)), axis=1)
    ends = np.zeros_like(begins)
    ends[:, 1:] = latest[:, :-1] >= first[1:]
    return ends
