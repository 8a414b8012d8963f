"""What plans are worth where frames wait, and credit runs out: to compare planners.

Deterministic, so that one run tells everything.
"""

from collections.abc import Sequence
from typing import Final

from fleet.planner.errors import GoalUnsupportedError
from fleet.planner.plan import Stage
from fleet.planner.problem import Goal, Problem
from fleet.simulator.build import built
from fleet.simulator.pipeline import INBOX_FRAMES, Load
from fleet.simulator.simulation import Simulation

_NEVER: Final = 1e12
_ROUNDS: Final = 8
"""How often the window goes through, half of them as warm-up."""


def simulated(problem: Problem, stages: Sequence[Stage], goal: Goal) -> float:
    """Return what stages are worth: of `fleet.planner.objective`, but with all that waits.

    For throughput, the mean seconds between two results while the window fills every inbox; for
    latency, the seconds that one frame takes alone.

    Raises:
        NotAPlanError: They do not cover the chain, do not fit, or do not reach each other.
        GoalUnsupportedError: Times alone do not say it.
    """
    if goal not in ("throughput", "latency"):
        raise GoalUnsupportedError(goal, "a simulation has no joules and no money")
    pipeline = built(problem, stages)
    window = 1 if goal == "latency" else (INBOX_FRAMES + 1) * len(stages) + 1
    load = Load(window=window, frames=_ROUNDS * window, deadline_seconds=_NEVER)
    endings = Simulation(pipeline, load).run().endings
    if goal == "latency":
        return endings[-1].latency_seconds
    half = len(endings) // 2
    return (endings[-1].ended - endings[half].ended) / (len(endings) - 1 - half)
