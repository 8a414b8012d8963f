"""The best splits as they were measured, beside what sums of operators said."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table

from fleet.fleet_file.description import UNKNOWN
from fleet.model_plan.answering import ModelAnswer
from fleet.model_plan.candidate import Candidate, Finalist, StageFigures
from fleet.model_plan.setting import DeviceFigures, Setting
from fleet.planner.problem import Goal
from fleet.profiles.segments import SegmentsOutcome
from paceline.output import one_line
from paceline.profile_view import BUSY_RATIO, time_text


def plain(setting: Setting, answer: ModelAnswer) -> list[dict[str, Any]]:
    """Return what ``--json`` prints of them."""
    return [_plain(setting, answer, one) for one in answer.finalists]


def wholes(setting: Setting, answer: ModelAnswer) -> list[dict[str, Any]]:
    """Return what ``--json`` prints of the whole model on the same devices, then."""
    return [_plain(setting, answer, one) for one in answer.wholes]


def table(setting: Setting, answer: ModelAnswer, money: str) -> Table:
    """Return a line for each split and one for each of its stages; ``money``: what costs are in."""
    found = Table(box=None, pad_edge=False, header_style="dim")
    found.add_column("measured as segments", no_wrap=True)
    found.add_column("cut at", overflow="ellipsis", max_width=40, no_wrap=True)
    for title in ("sum", "measured", ""):
        found.add_column(title, justify="right", no_wrap=True)
    goal = answer.goal
    for one in (*answer.wholes, *answer.finalists):
        chosen = one.measured is not None and one.measured is answer.chosen
        measured = one.measured
        found.add_row(
            f"{'▸' if chosen else ' '} {one_line(one.sum.to)}",
            one_line(", ".join(cuts(setting, one.sum))) or "the whole model",
            _worth(one.sum, goal, money),
            _worth(measured, goal, money) if measured else "not measured",
            _change(one.sum.objective(goal), measured.objective(goal)) if measured else "",
            style="bold" if chosen else None,
        )
        for place, stage in enumerate(one.sum.stages):
            real = measured.stages[place].seconds if measured else None
            found.add_row(
                f"    {one_line(stage.device)}",
                f"blocks {stage.first}-{stage.last}",
                time_text(stage.seconds),
                time_text(real) if real is not None else "",
                _change(stage.seconds, real) if real is not None else "",
                style="dim",
            )
    return found


def sentences(setting: Setting, answer: ModelAnswer, money: str) -> Iterator[str]:
    """Yield what measuring came to."""
    known = [one for one in answer.finalists if one.measured is not None]
    if not known or answer.split is None:
        return
    goal = answer.goal
    best = next(one for one in known if one.measured is answer.split)
    sum_, measured = (_worth(one, goal, money) for one in (best.sum, answer.split))
    change = _change(best.sum.objective(goal), answer.split.objective(goal))
    where = ", ".join(cuts(setting, best.sum))
    yield (
        f"Of {len(known)} splits whose segments were measured, the one at {where} on"
        f" {best.sum.to} is the best: {measured}, where its operators add up to {sum_} ({change})."
    )
    if best is not known[0] and known[0].measured is not None:
        first = known[0].measured.objective(goal)
        yield (
            f"By sums it would have been the one at {', '.join(cuts(setting, known[0].sum))} on"
            f" {known[0].sum.to}, which is {first / answer.split.objective(goal) - 1:.1%} worse."
        )


def notes(outcome: SegmentsOutcome | None) -> Iterator[str]:
    """Yield what a reader of the measurements should know."""
    profiles = outcome.profiles.values() if outcome else ()
    busy = max((p.parts[0].report.load.others_busy_ratio for p in profiles), default=0.0)
    if busy >= BUSY_RATIO:
        yield f"others used up to {busy:.0%} of a device's cores while segments were measured"


def cuts(setting: Setting, split: Candidate) -> Sequence[str]:
    """Return where a split is cut, by tensors."""
    return ["+".join(setting.chain.blocks[group.last].cut) for group in split.groups[:-1]]


def _plain(setting: Setting, answer: ModelAnswer, one: Finalist) -> dict[str, Any]:
    measured, goal = one.measured, answer.goal
    real = list(measured.stages) if measured else [None] * len(one.sum.stages)
    return {
        "to": one.sum.to,
        "cuts": cuts(setting, one.sum),
        "chosen": measured is not None and measured is answer.chosen,
        "sum": one.sum.objective(goal),
        "measured": measured.objective(goal) if measured else None,
        "stages": [
            _stage(setting.device(stage.device), stage, as_measured)
            for stage, as_measured in zip(one.sum.stages, real, strict=True)
        ],
        "by_sum": one.sum.described(),
        "by_measurement": measured.described() if measured else None,
        "missing": list(one.missing),
    }


def _stage(
    device: DeviceFigures, stage: StageFigures, measured: StageFigures | None
) -> dict[str, Any]:
    return {
        "device": stage.device,
        "first": stage.first,
        "last": stage.last,
        "sum_seconds": stage.seconds,
        "measured_seconds": measured.seconds if measured else None,
        "origin": device.seconds_origin if measured else UNKNOWN.origin,
        "from": device.seconds_from,
    }


def _worth(found: Candidate, goal: Goal, money: str) -> str:
    value = found.objective(goal)
    if goal in ("throughput", "latency"):
        return time_text(value)
    return f"{value:.3g} J" if goal == "energy" else f"{value * 1e6:.3g} {money} a million"


def _change(before: float, after: float) -> str:
    if not before:
        return ""
    return f"{after / before - 1:+.0%}".replace("%", " %")
