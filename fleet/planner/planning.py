"""From a problem to an answer: the policy's plan, the best single device beside it, the verdict."""

import math
from typing import Final

from fleet.planner.errors import GoalUnsupportedError
from fleet.planner.objective import judge
from fleet.planner.plan import Answer, Plan, Verdict
from fleet.planner.policies import Policy
from fleet.planner.problem import Goal, Problem
from fleet.planner.shortage import shortage
from fleet.planner.single import best_single
from wire import plugins

POLICIES: Final = "fleet.planner.policies"
DEFAULT_POLICY: Final = "exact"
EQUAL: Final = 1e-9
"""A split must be better by more than this share, and a bound is reached within it."""


def plan(problem: Problem, goal: Goal, policy: str = DEFAULT_POLICY, *, why: bool = True) -> Answer:
    """Return what the policy plans, judged; without ``why``, not what is missing either.

    Raises:
        GoalUnsupportedError: Only throughput and latency can be planned for.
        UnknownPluginError: There is no such policy.
    """
    if goal not in ("throughput", "latency"):
        raise GoalUnsupportedError(goal, "nothing says what a frame costs in it")
    placement = load(policy).place(problem, goal)
    every = [
        judge(problem, stages, goal) for stages in (placement.stages, *placement.others) if stages
    ]
    splits = [plan for plan in every if len(plan.stages) > 1]
    chosen = every[0] if every else None
    single = best_single(problem, goal)
    gap = _gap(chosen, placement.bound_seconds)
    return Answer(
        goal=goal,
        policy=policy,
        plan=chosen,
        optimal=gap == 0.0,
        gap=gap,
        verdict=_verdict(chosen, single),
        single=single,
        split=min(splits, key=lambda plan: plan.objective_seconds, default=None),
        cut_space=problem.cut_space,
        shortage=shortage(problem, policy, proven=gap == 0.0) if why and not chosen else None,
    )


def load(policy: str) -> Policy:
    """Return a policy by name; the first time it imports numpy.

    Raises:
        UnknownPluginError: There is no such policy.
    """
    made: Policy = plugins.load(POLICIES, policy)()
    return made


def _verdict(chosen: Plan | None, single: Plan | None) -> Verdict:
    if chosen is None:
        return "infeasible"
    if single and chosen.objective_seconds >= single.objective_seconds * (1 - EQUAL):
        return "do not split"
    return "split"


def _gap(chosen: Plan | None, bound_seconds: float | None) -> float | None:
    """Return which share of the objective could be saved at most; 0: nothing, or nothing fits."""
    if bound_seconds is None:
        return None
    if chosen is None:
        return 0.0 if bound_seconds == math.inf else None
    gap = 1 - bound_seconds / chosen.objective_seconds
    return 0.0 if gap <= EQUAL else gap
