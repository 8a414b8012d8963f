"""The best plan of all, where sets of used devices are few enough to tell them apart."""

from dataclasses import dataclass
from typing import Final

from fleet.planner import latency, spaces, throughput
from fleet.planner.device_types import device_types
from fleet.planner.plan import Stage
from fleet.planner.problem import Goal, Problem
from fleet.planner.spaces import Layer
from fleet.planner.tables import Tables, tables

MOST_STATES: Final = 24_000_000
"""Of a space: sets of used devices x types of the last one x positions. One takes up to 8 bytes;
11 different devices and 1,000 operators have as many."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of the best plan of so many stages or more."""

    bound_seconds: float
    """No plan is better; infinite: nothing fits."""
    stages: tuple[Stage, ...]
    """The best one that was found; none: nothing fits, or nothing was found."""


def best(problem: Problem, goal: Goal, fewest: int, most_states: int = MOST_STATES) -> Found | None:
    """Return the best plan of ``fewest`` stages or more; None where its space is too large."""
    table, space = states(problem, most_states)
    if not space:
        return None
    search = throughput.fastest if goal == "throughput" else latency.shortest
    value, walk = search(table, space, fewest)
    return Found(value, table.stages(walk))


def feasible(problem: Problem) -> bool | None:
    """Return whether any plan fits; None where the space is too large."""
    table, space = states(problem, MOST_STATES)
    return bool(throughput.within(table, space, 1, throughput.NO_LIMIT).walk()) if space else None


def states(problem: Problem, most_states: int) -> tuple[Tables, tuple[Layer, ...]]:
    """Return the problem's tables and its full space, which has no layers if it is too large."""
    types = device_types(problem)
    stages = min(sum(map(len, types)), len(problem.ops))
    most_rows = most_states // (len(types) * (len(problem.ops) + 1))
    return tables(problem, types), spaces.full([len(t) for t in types], stages, most_rows)
