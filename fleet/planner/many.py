"""A good plan and a bound, where devices are too many to tell all sets of them apart.

Begins with what quick policies find, makes it better a few stages at a time, and proves by prices
how much better a plan could be. Plans that the prices come across are made better, too.
"""

import math
from collections.abc import Iterable
from typing import Final

from fleet.planner import prices
from fleet.planner.device_types import device_types
from fleet.planner.improve import improved
from fleet.planner.objective import judge
from fleet.planner.plan import Plan, Stage
from fleet.planner.problem import Goal, Problem
from fleet.planner.search import Found
from fleet.planner.tables import tables
from wire import plugins

QUICK: Final = ("bottleneck", "heft", "neurosurgeon")


def good(problem: Problem, goal: Goal, fewest: int) -> Found:
    """Return a good plan of ``fewest`` stages or more, if any was found, and a bound for all."""
    quick = (
        plugins.load("fleet.planner.policies", name)().place(problem, goal).stages for name in QUICK
    )
    known = _best(problem, goal, quick, fewest)
    table = tables(problem, device_types(problem))
    stages = min(len(problem.devices), len(problem.ops))
    bound = prices.throughput_bound if goal == "throughput" else prices.latency_bound
    priced = bound(table, stages, fewest, known.objective_seconds if known else math.inf)
    met = _best(problem, goal, map(table.stages, priced.walks), fewest)
    found = [plan for plan in (known, met) if plan]
    best = min(found, key=lambda plan: plan.objective_seconds, default=None)
    return Found(priced.bound_seconds, best.stages if best else ())


def _best(
    problem: Problem, goal: Goal, candidates: Iterable[tuple[Stage, ...]], fewest: int
) -> Plan | None:
    """Return the best of the candidates, made better."""
    plans = [judge(problem, stages, goal) for stages in candidates if len(stages) >= fewest]
    if not plans:
        return None
    return improved(problem, goal, min(plans, key=lambda plan: plan.objective_seconds), fewest)
