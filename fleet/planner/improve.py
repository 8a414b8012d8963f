"""A plan made better a few stages at a time, each time in the best way.

Some stages that follow each other are planned anew, with their devices and some that have nothing
to do, while the others stay. That is a problem of its own, small enough for the full search; the
devices before and behind are its source and its sink. It is done again until nothing helps.
"""

from typing import Final

import msgspec

from fleet.planner import search
from fleet.planner.objective import judge
from fleet.planner.plan import Plan, Stage
from fleet.planner.problem import Goal, Problem

WINDOWS: Final = (2, 3, 4)
"""How many stages are planned anew at once."""
DEVICES: Final = 7
"""How many devices may be used there."""
MOST_STATES: Final = 2_000_000
MOST_CHANGES: Final = 50


def improved(problem: Problem, goal: Goal, plan: Plan, fewest: int) -> Plan:
    """Return a plan of at least ``fewest`` stages that is at least as good."""
    for _ in range(MOST_CHANGES):
        better = _better(problem, goal, plan)
        if better is None or len(better.stages) < fewest:
            break
        plan = better
    return plan


def _better(problem: Problem, goal: Goal, plan: Plan) -> Plan | None:
    """Return a better plan that differs in one window; None if there is none."""
    for width in WINDOWS:
        for start in range(max(1, len(plan.stages) - width + 1)):
            here = plan.stages[start : start + width]
            part = _part(problem, plan, here)
            offset = here[0].first
            old = judge(part, [_moved(stage, -offset) for stage in here], goal)
            if goal == "throughput" and old.objective_seconds < plan.objective_seconds:
                continue  # what is slowest is elsewhere
            found = search.best(part, goal, 1, MOST_STATES)
            if found is None or not found.bound_seconds < old.objective_seconds * (1 - 1e-12):
                continue
            new = [_moved(stage, offset) for stage in found.stages]
            stages = [*plan.stages[:start], *new, *plan.stages[start + width :]]
            better = judge(problem, stages, goal)
            if better.objective_seconds < plan.objective_seconds:
                return better
    return None


def _part(problem: Problem, plan: Plan, here: tuple[Stage, ...]) -> Problem:
    """Return the problem of planning some stages anew."""
    first, last = here[0].first, here[-1].last
    before = {stage.last: stage.device for stage in plan.stages}.get(first - 1)
    behind = {stage.first: stage.device for stage in plan.stages}.get(last + 1)
    ops = problem.ops[first : last + 1]
    used = {stage.device for stage in plan.stages}
    idle = [device for device in problem.devices if device.id not in used]
    idle.sort(key=lambda device: sum(op.seconds.get(device.id, float("inf")) for op in ops))
    own = [problem.device[stage.device] for stage in here]
    return msgspec.structs.replace(
        problem,
        ops=ops,
        devices=(*own, *idle)[: max(DEVICES, len(own))],
        source=before or problem.source,
        sink=behind or problem.sink,
        input_bytes=problem.ops[first - 1].out_bytes if before else problem.input_bytes,
        output_bytes=ops[-1].out_bytes if behind else problem.output_bytes,
    )


def _moved(stage: Stage, by: int) -> Stage:
    return Stage(stage.device, stage.first + by, stage.last + by)
