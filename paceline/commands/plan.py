"""``paceline plan``."""

import time
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from fleet.planner import instance as instances
from fleet.planner import planning
from fleet.planner.errors import PlanRequestError
from fleet.planner.problem import Goal
from paceline.options import OutputOptions
from paceline.plan_view import described, show

INFEASIBLE: Final = 4


def plan(
    model: Path | None = None,
    /,
    *,
    instance: Annotated[Path | None, Parameter(show_default=False)] = None,
    goal: Goal = "throughput",
    policy: str = planning.DEFAULT_POLICY,
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Say which devices should run which operators, or that one device is better.

    Args:
        model: A model; not planned yet, use --instance.
        instance: A JSON file with operators, devices and links; docs/planner.md says what is in it.
        goal: What to make small: the busiest resource's time for each frame (throughput), or the
            time that one frame takes in all (latency).
        policy: Who places the stages: exact, or another to compare with, such as bottleneck,
            memory_proportional, pipeedge, or a file of yours in fleet/planner/policies/.
        how: How to answer.
    """
    if model is not None:
        raise PlanRequestError(str(model), "models are not planned yet; give an --instance")
    if instance is None:
        raise PlanRequestError("plan", "nothing to plan; give an --instance FILE")
    problem = instances.read(instance)
    planning.load(policy)  # start-up, which is not planning
    began = time.perf_counter()
    answer = planning.plan(problem, goal, policy)
    seconds = time.perf_counter() - began
    found = described(answer, planning_seconds=seconds) | {"problem": instances.to_tree(problem)}
    how.output.result(found, lambda console: show(console, problem, answer, seconds))
    return 0 if answer.plan else INFEASIBLE
