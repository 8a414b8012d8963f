"""The splits that are worth measuring: the best by sums of operators, each another one. Pure."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from itertools import islice
from typing import Final

from fleet.model_plan.answering import ModelAnswer, parts_of
from fleet.model_plan.candidate import Candidate, candidate, lacking
from fleet.model_plan.moves import moved
from fleet.model_plan.setting import Setting
from fleet.planner import next_best
from fleet.planner.problem import Goal

FINALISTS: Final = 5
MOST_SEEN: Final = 25
"""Plans that are looked at to find them."""
NEIGHBOURS: Final = 3
"""Blocks that a cut of the best split is moved by."""
MOST_ALIKE: Final = 2
"""Finalists that are kept back by the same stage or hop: if it is slower than its sum, all are."""


def finalists(setting: Setting, found: ModelAnswer) -> tuple[Candidate, ...]:
    """Return the best splits by sums of operators, the best first; at most ``FINALISTS``.

    For throughput, those that are kept back by what keeps two better ones back come last.
    """
    if found.split is None:
        return ()
    picked, others = list[Candidate](), list[Candidate]()
    limits, seen = Counter[Hashable](), set[Hashable]()
    for one in sorted(_fitting(setting, found, found.split), key=_order(found)):
        shape, limit = _shape(setting, one), _limit(one, found)
        if shape not in seen:
            limits[limit] += 1
            (picked if limits[limit] <= MOST_ALIKE or limit is None else others).append(one)
        seen.add(shape)
    return tuple(sorted([*picked, *others][:FINALISTS], key=_order(found)))


def _fitting(setting: Setting, found: ModelAnswer, split: Candidate) -> Iterator[Candidate]:
    """Yield the best split, what it is with one cut elsewhere, and the next best by the planner."""
    yield split
    goal: Goal = "throughput" if found.goal == "throughput" else "latency"  # a sum is a sum
    asked = found.asked
    for moves in moved(setting, split, asked.codecs, NEIGHBOURS):
        yield from (one for one in moves.found.values() if one is not None)
    problems, _ = parts_of(found.problem, asked)
    for plan in islice(next_best.splits(problems, goal, asked.policy), MOST_SEEN):
        one = candidate(setting, plan.stages, asked.codecs)
        if not lacking(setting, one):
            yield one


def _order(found: ModelAnswer) -> Callable[[Candidate], tuple[float, float]]:
    return lambda one: (one.objective(found.goal), one.latency_seconds)


def _shape(setting: Setting, one: Candidate) -> Hashable:
    """Return what is equal of plans whose devices can be swapped: nothing new would be measured."""
    groups = tuple(
        (group.first, group.last, tuple(sorted(setting.device(d).seconds for d in group.devices)))
        for group in one.groups
    )
    return groups, round(one.period_seconds, 12), round(one.latency_seconds, 12)


def _limit(one: Candidate, found: ModelAnswer) -> Hashable:
    """Return what keeps it back, for throughput: a stage or a hop. None: all of it does."""
    if found.goal != "throughput":
        return None
    busy: list[tuple[float, Hashable]] = [
        (stage.busy_seconds, (stage.device, stage.first, stage.last)) for stage in one.stages
    ]
    busy += [(hop.busy_seconds, (hop.source, hop.target, hop.raw_bytes)) for hop in one.hops]
    return max(busy, key=lambda resource: resource[0])[1]
