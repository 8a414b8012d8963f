"""A good plan and a bound, where devices are too many to tell all sets of them apart.

Begins with what quick policies find, makes it better by other orders of devices and a few stages at
a time, and proves by prices how much better a plan could be. Plans that the prices come across are
made better, too.
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
from fleet.planner.reorder import reordered
from fleet.planner.search import Found
from fleet.planner.tables import Tables, tables
from wire import plugins

QUICK: Final = ("bottleneck", "heft", "neurosurgeon")


def good(problem: Problem, goal: Goal, fewest: int) -> Found:
    """Return a good plan of ``fewest`` stages or more, if any was found, and a bound for all."""
    table = tables(problem, device_types(problem))
    policies = [plugins.load("fleet.planner.policies", name)() for name in QUICK]
    quick = [policy.place(problem, goal).stages for policy in policies]
    known = _improved(problem, goal, table, quick, fewest)
    stages = min(sum(map(len, table.types)), len(problem.ops))
    if known is None and prices.excluded(table, stages, fewest):
        return Found(math.inf, ())
    bound = prices.throughput_bound if goal == "throughput" else prices.latency_bound
    priced = bound(table, stages, fewest, known.objective_seconds if known else math.inf)
    met = _improved(problem, goal, table, map(table.stages, priced.walks), fewest)
    found = [plan for plan in (known, met) if plan]
    best = min(found, key=_seconds, default=None)
    return Found(priced.bound_seconds, best.stages if best else ())


def _improved(
    problem: Problem,
    goal: Goal,
    table: Tables,
    candidates: Iterable[tuple[Stage, ...]],
    fewest: int,
) -> Plan | None:
    """Return the best of the candidates, made better; None if there is none."""
    plans = [judge(problem, stages, goal) for stages in candidates if len(stages) >= fewest]
    if not plans:
        return None
    best = min(plans, key=_seconds)
    walk = reordered(table, goal, table.walk(best.stages), fewest)
    return improved(problem, goal, judge(problem, table.stages(walk), goal), fewest)


def _seconds(plan: Plan) -> float:
    return plan.objective_seconds
