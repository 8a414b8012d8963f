"""The finalists judged anew, by what their segments took instead of sums of operators. Pure.

What a runtime fuses across a cut is lost, which a sum of shares of the whole does not know; and a
smaller segment may run faster than its share. A described device's segments are measured on the
device that it is compared with.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from fleet.model_plan.answering import ModelAnswer, chosen_of
from fleet.model_plan.candidate import Candidate, Finalist, grouped
from fleet.model_plan.setting import Setting
from fleet.planner.problem import Problem
from fleet.profiles.record import Segment


def segments(setting: Setting, split: Candidate) -> Iterator[tuple[tuple[str, int, int], Segment]]:
    """Yield each stage of a split with the segment that says what it takes."""
    blocks = setting.chain.blocks
    for group in split.groups:
        after = blocks[group.first - 1].cut if group.first else ()
        for device in group.devices:
            base = setting.device(device).base
            yield (
                (device, group.first, group.last),
                Segment(after, blocks[group.last].cut, base),
            )


def judged(
    setting: Setting,
    found: ModelAnswer,
    splits: Sequence[Candidate],
    seconds: Mapping[Segment, float],
    reasons: Mapping[Segment, str],
) -> ModelAnswer:
    """Return the answer with its finalists, and the best of those that were measured as the split.

    The whole model is judged by what it took when they were measured, too: a machine is not
    always as busy as when it was profiled.

    Args:
        setting: Model and fleet.
        found: The answer by sums.
        splits: The finalists.
        seconds: What segments took.
        reasons: Why others were not measured.
    """
    finalists = [_finalist(setting, found, split, seconds, reasons) for split in splits]
    measured = [one.measured for one in finalists if one.measured is not None]
    if not measured:
        return msgspec.structs.replace(found, finalists=tuple(finalists))
    goal = found.goal
    split = min(measured, key=lambda one: (one.objective(goal), one.latency_seconds))
    single, replicas = (
        _finalist(setting, found, whole, seconds, reasons) if whole else None
        for whole in (found.single, found.replicas)
    )
    wholes = tuple(one.measured or one.sum if one else None for one in (single, replicas))
    chosen, verdict = chosen_of(setting, goal, wholes, split)
    return msgspec.structs.replace(
        found,
        single=wholes[0],
        replicas=wholes[1],
        wholes=tuple(one for one in (single, replicas) if one is not None),
        split=split,
        chosen=chosen,
        verdict=verdict,
        finalists=tuple(finalists),
        problem=_as_measured(setting, found.problem, chosen or split),
    )


def _finalist(
    setting: Setting,
    found: ModelAnswer,
    split: Candidate,
    seconds: Mapping[Segment, float],
    reasons: Mapping[Segment, str],
) -> Finalist:
    parts = dict(segments(setting, split))
    missing = [reasons.get(one, "not asked") for one in parts.values() if one not in seconds]
    if missing:
        return Finalist(sum=split, measured=None, missing=tuple(dict.fromkeys(missing)))
    times = {stage: seconds[part] / setting.device(stage[0]).times for stage, part in parts.items()}
    return Finalist(sum=split, measured=grouped(setting, split.groups, found.asked.codecs, times))


def _as_measured(setting: Setting, problem: Problem, chosen: Candidate) -> Problem:
    """Return the problem with the stages' operators taking together what their segments took."""
    ops = list(problem.ops)
    for stage in chosen.stages:
        inside = range(stage.first, stage.last + 1)
        factor = stage.seconds / sum(setting.device(stage.device).seconds[at] for at in inside)
        for at in inside:
            times = dict(ops[at].seconds)
            times[stage.device] *= factor
            ops[at] = msgspec.structs.replace(ops[at], seconds=times)
    return msgspec.structs.replace(problem, ops=tuple(ops))
