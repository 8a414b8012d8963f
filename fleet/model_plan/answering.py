"""From a setting to an answer: the best split beside the best single device and replicas. Pure."""

from itertools import combinations
from typing import Final, Literal

import msgspec

from fleet.model_plan import problems
from fleet.model_plan.candidate import Candidate, candidate, lacking, replicated
from fleet.model_plan.setting import Setting
from fleet.planner import planning
from fleet.planner.errors import NotAPlanError
from fleet.planner.objective import judge
from fleet.planner.plan import Plan, Shortage, Stage
from fleet.planner.problem import Goal, Problem

ModelVerdict = Literal["split", "do not split", "infeasible", "cloud only"]
MOST_TIGHTENED: Final = 8
"""Times that memory is made less, since frames in flight took more than was assumed."""
MOST_SUBSETS: Final = 500
"""Sets of devices that are planned for fewer stages than there are devices."""
EQUAL: Final = 1e-9


class ModelAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What planning a model came to."""

    goal: Goal
    policy: str
    verdict: ModelVerdict
    chosen: Candidate | None
    single: Candidate | None
    """The best device alone."""
    replicas: Candidate | None
    """The whole model on every device that can: it helps throughput alone."""
    split: Candidate | None
    """The best of two stages or more."""
    optimal: bool
    gap: float | None
    problem: Problem
    shortage: Shortage | None = None


def answer(
    setting: Setting, goal: Goal, policy: str, allowed: tuple[str, ...], max_stages: int | None
) -> ModelAnswer:
    """Return the plan for a goal, what it is compared with, and the verdict.

    Raises:
        FigureMissingError: The goal needs what nobody knows.
        UnknownPluginError: There is no such policy.
    """
    tightened: dict[str, int] = {}
    by_sum: Goal = "throughput" if goal == "throughput" else "latency"
    for _ in range(MOST_TIGHTENED + 1):
        problem = problems.problem(setting, goal, allowed, tightened)
        found = _placed(problem, by_sum, policy, max_stages)
        every = [candidate(setting, stages, allowed) for stages in found.plans]
        short = [lacking(setting, one) for one in every]
        if not any(short):
            break
        for lack in short:
            for device, size in lack.items():
                tightened[device] = tightened.get(device, 0) + size
    every = [one for one, lack in zip(every, short, strict=True) if not lack]
    wholes = _wholes(setting, problem, allowed)
    single = min(wholes, key=lambda one: one.objective(goal), default=None)
    splits = [one for one in every if len(one.stages) > 1]
    split = min(splits, key=lambda one: one.objective(goal), default=None)
    replicas = replicated(wholes) if len(wholes) > 1 and not setting.pins else None
    rivals = [one for one in (single, replicas) if one is not None]
    best = min(rivals, key=lambda one: one.objective(goal), default=None)
    wins = split is not None and (
        best is None or split.objective(goal) < best.objective(goal) * (1 - EQUAL)
    )
    chosen = split if wins else best
    proven = found.gap == 0.0 and not tightened
    return ModelAnswer(
        goal=goal,
        policy=policy,
        verdict=_verdict(setting, chosen, wins=wins),
        chosen=chosen,
        single=single,
        replicas=replicas,
        split=split,
        optimal=proven,
        gap=0.0 if proven else (None if tightened else found.gap),
        problem=problem,
        shortage=None if chosen else found.shortage,
    )


class _Found(msgspec.Struct, frozen=True):
    plans: tuple[tuple[Stage, ...], ...]
    gap: float | None
    shortage: Shortage | None


def _placed(problem: Problem, goal: Goal, policy: str, max_stages: int | None) -> _Found:
    runs = [d.id for d in problem.devices if any(d.id in op.seconds for op in problem.ops)]
    if max_stages is None or max_stages >= len(runs):
        found = planning.plan(problem, goal, policy)
        plans = [one.stages for one in (found.plan, found.split) if one is not None]
        return _Found(tuple(dict.fromkeys(plans)), found.gap, found.shortage)
    every: list[Plan] = []
    subsets = list(combinations(runs, max_stages))
    shortage = None
    for subset in subsets[:MOST_SUBSETS]:
        found = planning.plan(_only(problem, subset), goal, policy)
        shortage = shortage or found.shortage
        every += [one for one in (found.plan, found.split) if one is not None]
    every.sort(key=lambda one: one.objective_seconds)
    split = [one for one in every if len(one.stages) > 1][:1]
    plans = [one.stages for one in (*every[:1], *split)]
    proven = len(subsets) <= MOST_SUBSETS and policy == planning.DEFAULT_POLICY
    return _Found(tuple(dict.fromkeys(plans)), 0.0 if proven else None, shortage)


def _only(problem: Problem, devices: tuple[str, ...]) -> Problem:
    """Return the problem with stages on these devices alone."""
    ops = tuple(
        msgspec.structs.replace(op, seconds={d: s for d, s in op.seconds.items() if d in devices})
        for op in problem.ops
    )
    kept = {*devices, problem.source, problem.sink}
    left = tuple(device for device in problem.devices if device.id in kept)
    return msgspec.structs.replace(problem, ops=ops, devices=left)


def _wholes(setting: Setting, problem: Problem, allowed: tuple[str, ...]) -> list[Candidate]:
    """Return the whole model on each device that can serve it alone."""
    found = []
    for device in setting.devices:
        stages = (Stage(device.id, 0, len(problem.ops) - 1),)
        try:
            judge(problem, stages, "latency")
        except NotAPlanError:
            continue
        one = candidate(setting, stages, allowed)
        if not lacking(setting, one):
            found.append(one)
    return found


def _verdict(setting: Setting, chosen: Candidate | None, *, wins: bool) -> ModelVerdict:
    if chosen is None:
        return "infeasible"
    if all(setting.device(name).cloud for name in chosen.devices):
        return "cloud only"
    return "split" if wins else "do not split"
