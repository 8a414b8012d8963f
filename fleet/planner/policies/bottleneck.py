"""Greedy: as far as a device gets within a limit, then on to the next; the limit made small.

Within a limit of seconds for every stage and transfer, the next stage goes to the device that gets
furthest along the chain, and ends where a device that is left can be reached in time. It never
takes a choice back, so it may find nothing where there is something. It looks at the busiest
resource, whatever the goal.
"""

from typing import Final

import numpy as np

from fleet.planner import throughput
from fleet.planner.device_types import device_types
from fleet.planner.plan import Placement
from fleet.planner.problem import Goal, Problem
from fleet.planner.tables import Ints, Tables, Walk, tables
from fleet.planner.throughput import Bools

HALVINGS: Final = 40


class Bottleneck:
    """Makes the busiest resource's time small, greedily."""

    def place(self, problem: Problem, goal: Goal) -> Placement:  # noqa: ARG002
        """Return stages; see ``Policy``."""
        table = tables(problem, device_types(problem))
        found = _within(table, throughput.NO_LIMIT)
        if not found:
            return Placement(())
        low, high = 0.0, throughput.largest(table, found)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            if walk := _within(table, middle):
                found, high = walk, throughput.largest(table, walk)
            else:
                low = middle
        return Placement(table.stages(found))


def _within(table: Tables, limit: float) -> Walk:
    """Return stages that keep the limit, or none."""
    first = np.maximum(table.first_fit, throughput.first_in_time(table, limit))
    passes = table.transfer <= limit
    left = np.array([len(members) for members in table.types])
    enters = table.entry_transfer <= limit
    leaves = table.exit_transfer <= limit
    walk: list[tuple[int, int, int]] = []
    position = 0
    while position < table.ops:
        furthest, chosen = position, -1
        for kind in np.flatnonzero(enters & (left > 0)):
            others = left > 0
            others[kind] = left[kind] > 1
            end = _end(first[kind], passes[kind, others], position, ends_there=bool(leaves[kind]))
            if end > furthest:
                furthest, chosen = end, int(kind)
        if chosen < 0:
            return ()
        walk.append((chosen, position, furthest))
        left[chosen] -= 1
        enters = passes[chosen, :, furthest]
        position = furthest
    return tuple(walk)


def _end(first: Ints, passes: Bools, position: int, *, ends_there: bool) -> int:
    """Return the furthest end of a stage behind which the walk goes on or is over; 0: none."""
    reach = int(np.searchsorted(first, position, side="right")) - 1
    if reach == len(first) - 1 and ends_there:
        return reach
    goes_on = np.flatnonzero(passes[:, position + 1 : min(reach, len(first) - 2) + 1].any(axis=0))
    return position + 1 + int(goes_on[-1]) if len(goes_on) else 0


PLUGIN = Bottleneck
