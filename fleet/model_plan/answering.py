"""From a setting to an answer: the best split beside the best single device and replicas. Pure."""

import math
from collections.abc import Iterable
from itertools import combinations, islice
from typing import Final, Literal

import msgspec

from fleet.model_plan import codecs, moves, on_chip, problems, replicas
from fleet.model_plan.candidate import Candidate, Finalist, candidate, lacking
from fleet.model_plan.setting import Setting
from fleet.planner import next_best, planning
from fleet.planner.errors import NotAPlanError
from fleet.planner.objective import judge, memory_bytes
from fleet.planner.plan import Plan, Shortage, Stage
from fleet.planner.problem import Goal, Problem
from fleet.planner.search import feasible
from fleet.planner.shortage import shortage

ModelVerdict = Literal["split", "do not split", "infeasible", "cloud only"]
Replicas = Literal["none", "auto"]
MOST_TIGHTENED: Final = 8
"""Times that memory is made less, since frames in flight took more than was assumed."""
MOST_THIN: Final = 3
"""Plans that are tried for each thickness of cuts."""
MOST_SUBSETS: Final = 500
"""Sets of devices that are planned for fewer stages than there are devices."""
EQUAL: Final = 1e-9
LEAST_BY_CODECS: Final = 0.01
"""Codecs move outputs and take processor time: they are used where they save more than this."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted."""

    goal: Goal = "throughput"
    policy: str = planning.DEFAULT_POLICY
    codecs: tuple[str, ...] = ("raw",)
    """What links may use."""
    max_stages: int | None = None
    replicas: Replicas = "none"
    """``auto``: stages of a split may have several devices."""


class ModelAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What planning a model came to."""

    asked: Asked
    verdict: ModelVerdict
    chosen: Candidate | None
    single: Candidate | None
    """The best device alone."""
    replicas: Candidate | None
    """The whole model on several devices: it helps throughput alone."""
    split: Candidate | None
    """The best of two stages or more."""
    optimal: bool
    """Whether it is proven that no plan of one device for each stage is better."""
    gap: float | None
    problem: Problem
    shortage: Shortage | None = None
    finalists: tuple[Finalist, ...] = ()
    """Splits of which segments were measured, or should have been; the best by sums first."""
    wholes: tuple[Finalist, ...] = ()
    """What they are compared with, measured at the same time: the best device, and replicas."""

    @property
    def goal(self) -> Goal:
        """Return what was made small."""
        return self.asked.goal


def answer(setting: Setting, asked: Asked) -> ModelAnswer:
    """Return the plan for a goal, what it is compared with, and the verdict.

    A codec is used only where it makes the whole better by ``LEAST_BY_CODECS``.

    Raises:
        FigureMissingError: The goal needs what nobody knows.
        UnknownPluginError: There is no such policy.
    """
    if setting.codecs is not None:
        listed = tuple(name for name in asked.codecs if name in {codecs.RAW, *setting.codecs})
        asked = msgspec.structs.replace(asked, codecs=listed or (codecs.RAW,))
    best = _answer(setting, asked)
    exact = tuple(name for name in asked.codecs if codecs.FIGURES[name].exact)
    for fewer in dict.fromkeys(((codecs.RAW,), exact)):
        if fewer == asked.codecs or best.chosen is None:
            return best
        if not fewer or not set(fewer) <= set(asked.codecs):
            continue
        plain = _answer(setting, msgspec.structs.replace(asked, codecs=fewer))
        worth = plain.chosen.objective(asked.goal) if plain.chosen else math.inf
        given_up = 1 - best.chosen.objective(asked.goal) / worth if worth else 0.0
        if given_up <= LEAST_BY_CODECS:
            return _less(plain, best, given_up)
    return best


def _less(plain: ModelAnswer, best: ModelAnswer, given_up: float) -> ModelAnswer:
    """Return an answer that is not called optimal where codecs would save a little more."""
    if given_up <= EQUAL:
        return plain
    gap = None if best.gap is None else given_up + (1 - given_up) * best.gap
    return msgspec.structs.replace(plain, optimal=False, gap=gap)


def _answer(setting: Setting, asked: Asked) -> ModelAnswer:
    goal = asked.goal
    problem, found, every, tightened = _planned(setting, asked)
    staying = on_chip.within(setting)
    if staying is not None:
        every += [one for one in _planned(staying, asked)[2] if one not in every]
    wholes = _wholes(setting, problems.problem(setting, goal, asked.codecs, {}), asked)
    single = _best(wholes, goal)
    together = _replicated(setting, wholes, asked)
    splits = [one for one in every if one.is_split]
    if tightened:  # what was forbidden was too much: frames in flight differ from cut to cut
        splits = splits or _thin(setting, asked)
        splits = [moves.improved(setting, one, asked.codecs, goal) for one in splits]
    if asked.replicas == "auto" and goal == "throughput":
        splits += _with_replicas(setting, asked, splits)
    split = _best(splits, goal)
    chosen, verdict = chosen_of(setting, goal, (single, together), split)
    judged = not tightened and staying is None  # else what was planned for is not all that counts
    proven = found.gap == 0.0 and judged
    return ModelAnswer(
        asked=asked,
        verdict=verdict,
        chosen=chosen,
        single=single,
        replicas=together,
        split=split,
        optimal=proven,
        gap=0.0 if proven else (found.gap if judged else None),
        problem=problem,
        shortage=None if chosen else _shortage(setting, asked, tightened, proven=proven),
    )


def _planned(
    setting: Setting, asked: Asked
) -> tuple[Problem, "_Found", list[Candidate], dict[str, int]]:
    """Return what was planned, what was found, those that fit, and what memory was made less by."""
    tightened: dict[str, int] = {}
    for _ in range(MOST_TIGHTENED + 1):
        problem = problems.problem(setting, asked.goal, asked.codecs, tightened)
        found = _placed(problem, asked)
        every = [candidate(setting, stages, asked.codecs) for stages in found.plans]
        short = [lacking(setting, one) for one in every]
        if not any(short):
            break
        for lack in short:
            for device, size in lack.items():
                tightened[device] = max(tightened.get(device, 0), size)  # it grows each time
    fitting = [one for one, lack in zip(every, short, strict=True) if not lack]
    return problem, found, fitting, tightened


def _thin(setting: Setting, asked: Asked) -> list[Candidate]:
    """Return splits that are cut only where little crosses."""
    found = []
    goal: Goal = "throughput" if asked.goal == "throughput" else "latency"
    for problem in problems.thin(setting, asked.goal, asked.codecs):
        plans = next_best.splits(parts_of(problem, asked)[0], goal, asked.policy)
        tried = (candidate(setting, plan.stages, asked.codecs) for plan in islice(plans, MOST_THIN))
        found += [one for one in tried if not lacking(setting, one)][:1]
    return found


def _with_replicas(setting: Setting, asked: Asked, splits: list[Candidate]) -> list[Candidate]:
    """Return splits whose stages may have several devices: better ones, if there are any."""
    better = [replicas.grown(setting, one, asked.codecs) for one in splits]
    least = min((one.period_seconds for one in (*splits, *better)), default=math.inf)
    here = setting
    while True:
        tried: list[tuple[float, Setting, Candidate]] = []
        for joined in replicas.pairs(here):
            _, _, found, _ = _planned(joined, asked)
            for one in found:
                real = replicas.apart(setting, one, asked.codecs) if one.is_split else None
                if real is not None:
                    tried.append((real.period_seconds, joined, real))
        best = min(tried, key=lambda one: one[0], default=None)
        if best is None or best[0] >= least * (1 - EQUAL):
            return better
        least, here = best[0], best[1]
        better.append(best[2])


def _shortage(
    setting: Setting, asked: Asked, tightened: dict[str, int], *, proven: bool
) -> Shortage:
    problem = problems.problem(setting, asked.goal, (codecs.RAW,), tightened)
    if asked.max_stages is not None and feasible(problem):
        return Shortage(
            needed_bytes=memory_bytes(problem.ops),
            available_bytes={device.id: device.memory_bytes for device in problem.devices},
            reasons=(f"nothing fits in {asked.max_stages} stages, though it does in more",),
            nearest_change=f"allow more than --max-stages {asked.max_stages}",
        )
    found = shortage(problem, asked.policy, proven=proven)
    reasons = list(found.reasons)
    if setting.pins:
        pinned = ", ".join(f"block {at} to {name}" for at, name in sorted(setting.pins.items()))
        reasons.append(f"what is pinned stays where it is: {pinned}")
    if tightened:
        reasons.append(
            "frames in flight are counted as at the cuts that were tried: others may take less"
        )
    return msgspec.structs.replace(found, reasons=tuple(reasons))


class _Found(msgspec.Struct, frozen=True):
    plans: tuple[tuple[Stage, ...], ...]
    gap: float | None


def _placed(problem: Problem, asked: Asked) -> _Found:
    goal: Goal = "throughput" if asked.goal == "throughput" else "latency"  # a sum is a sum
    every: list[Plan] = []
    proven = True
    parts, all_of_them = parts_of(problem, asked)
    for part in parts:
        found = planning.plan(part, goal, asked.policy, why=False)
        if part is problem:
            plans = [one.stages for one in (found.plan, found.split) if one is not None]
            return _Found(tuple(dict.fromkeys(plans)), found.gap)
        proven = proven and found.gap == 0.0
        every += [one for one in (found.plan, found.split) if one is not None]
    every.sort(key=lambda one: one.objective_seconds)
    split = [one for one in every if len(one.stages) > 1][:1]
    plans = [one.stages for one in (*every[:1], *split)]
    return _Found(tuple(dict.fromkeys(plans)), 0.0 if proven and all_of_them else None)


def parts_of(problem: Problem, asked: Asked) -> tuple[list[Problem], bool]:
    """Return what is planned: with few stages, each set of so many devices; and if that is all."""
    runs = [d.id for d in problem.devices if any(d.id in op.seconds for op in problem.ops)]
    if asked.max_stages is None or asked.max_stages >= len(runs):
        return [problem], True
    subsets = list(combinations(runs, asked.max_stages))
    return [_only(problem, subset) for subset in subsets[:MOST_SUBSETS]], len(
        subsets
    ) <= MOST_SUBSETS


def _only(problem: Problem, devices: tuple[str, ...]) -> Problem:
    """Return the problem with stages on these devices alone."""
    ops = tuple(
        msgspec.structs.replace(op, seconds={d: s for d, s in op.seconds.items() if d in devices})
        for op in problem.ops
    )
    kept = {*devices, problem.source, problem.sink}
    left = tuple(device for device in problem.devices if device.id in kept)
    return msgspec.structs.replace(problem, ops=ops, devices=left)


def _wholes(setting: Setting, problem: Problem, asked: Asked) -> list[Candidate]:
    """Return the whole model on each device that can serve it alone."""
    found = []
    for device in setting.devices:
        stages = (Stage(device.id, 0, len(problem.ops) - 1),)
        try:
            judge(problem, stages, "latency")
        except NotAPlanError:
            continue
        one = candidate(setting, stages, asked.codecs)
        if not lacking(setting, one):
            found.append(one)
    return found


def _replicated(setting: Setting, wholes: list[Candidate], asked: Asked) -> Candidate | None:
    """Return the whole model on as many devices as make it faster; None: two do not."""
    starts = [replicas.grown(setting, one, asked.codecs) for one in wholes]
    return _best([one for one in starts if len(one.devices) > 1], asked.goal)


def _best(found: list[Candidate], goal: Goal) -> Candidate | None:
    return min(found, key=lambda one: one.objective(goal), default=None)


def chosen_of(
    setting: Setting,
    goal: Goal,
    wholes: Iterable[Candidate | None],
    split: Candidate | None,
) -> tuple[Candidate | None, ModelVerdict]:
    """Return the best of the whole model on some devices and a split, and the verdict."""
    best: Candidate | None = None
    for one in wholes:  # of equals the first: several alike devices add up to one, but for rounding
        if one is not None and (
            best is None or one.objective(goal) < best.objective(goal) * (1 - EQUAL)
        ):
            best = one
    wins = split is not None and (
        best is None or split.objective(goal) < best.objective(goal) * (1 - EQUAL)
    )
    chosen = split if wins else best
    if chosen is None:
        return None, "infeasible"
    if all(setting.device(name).cloud for name in chosen.devices):
        return chosen, "cloud only"
    return chosen, "split" if wins else "do not split"
