"""The best plan of one device."""

from fleet.planner.errors import NotAPlanError
from fleet.planner.objective import judge
from fleet.planner.plan import Plan, Stage
from fleet.planner.problem import Goal, Problem


def best_single(problem: Problem, goal: Goal) -> Plan | None:
    """Return the best plan of one device, hops to source and sink included; None: nothing fits."""
    plans = []
    for device in problem.devices:
        try:
            plans.append(judge(problem, [Stage(device.id, 0, len(problem.ops) - 1)], goal))
        except NotAPlanError:
            continue
    return min(plans, key=lambda plan: plan.objective_seconds, default=None)
