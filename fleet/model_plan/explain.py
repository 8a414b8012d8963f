"""A plan in words: what keeps it back, what comes next, what would help most. Pure.

All by planning again with one thing changed, so each sentence is as true as the plan is.
"""

from collections.abc import Iterator

import msgspec

from fleet.fleet_file.description import Figure
from fleet.model_plan import problems
from fleet.model_plan.answering import Asked, ModelAnswer, answer
from fleet.model_plan.candidate import Candidate
from fleet.model_plan.codecs import FIGURES, RAW
from fleet.model_plan.finalists import finalists
from fleet.model_plan.moves import moved
from fleet.model_plan.setting import DeviceFigures, LinkFigures, Setting
from fleet.planner.problem import Goal

TWICE = 2.0


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What to say of a plan beside its numbers; ``worse`` and ``better`` are shares."""

    bottleneck: str
    """A device, or ``A>B``."""
    bottleneck_share: float
    """Of the objective: of the period for throughput, of all time for latency, of joules, money."""
    next_best: str
    """The best of all other plans, as `paceline deploy --to` takes it; empty: there is none."""
    next_best_cuts: tuple[str, ...]
    """Where that one is cut, by tensors."""
    next_best_worse: float | None
    spared: str
    """The device that can be spared best; empty: none can."""
    spared_to: str
    """The best plan without it."""
    spared_worse: float | None
    neighbours: tuple[tuple[str, float | None], ...]
    """Cuts one block earlier or later, by their tensors: how much worse; None: it does not fit."""
    help_most: str
    """What would help most, in words; empty: nothing that was tried."""
    help_most_better: float
    without_codecs_worse: float | None
    """With raw links alone; None: nothing is coded that changes elements."""


def explained(setting: Setting, found: ModelAnswer) -> Explanation | None:
    """Return what there is to say; None: there is no plan, or it costs nothing at all."""
    chosen = found.chosen
    if chosen is None or not chosen.objective(found.goal):
        return None
    asked, worth = found.asked, chosen.objective(found.goal)
    name, share = _bottleneck(setting, chosen, found.goal)
    runner_up = _next_best(setting, found, chosen)
    without, other = _spared(setting, chosen, asked)
    what, better = _help_most(setting, chosen, asked)
    coded = any(not FIGURES[hop.codec].exact for hop in chosen.hops)
    raw = answer(setting, msgspec.structs.replace(asked, codecs=(RAW,))).chosen if coded else None
    return Explanation(
        bottleneck=name,
        bottleneck_share=share,
        next_best=runner_up.to if runner_up else "",
        next_best_cuts=_cuts(setting, runner_up) if runner_up else (),
        next_best_worse=runner_up.objective(found.goal) / worth - 1 if runner_up else None,
        spared=without,
        spared_to=other.to if other else "",
        spared_worse=other.objective(found.goal) / worth - 1 if other else None,
        neighbours=tuple(_neighbours(setting, chosen, asked)),
        help_most=what,
        help_most_better=better,
        without_codecs_worse=raw.objective(found.goal) / worth - 1 if raw else None,
    )


def _bottleneck(setting: Setting, chosen: Candidate, goal: Goal) -> tuple[str, float]:
    """Return the device or link that takes most of the objective, and its share of it."""
    parts: list[tuple[str, float]] = []
    for stage in chosen.stages:
        device, busy = setting.device(stage.device), stage.busy_seconds
        energy, cost = busy * (device.watts.value or 0.0), problems.frame_cost(device, busy)
        parts.append((stage.device, {"energy": energy, "cost": cost}.get(goal, busy)))
    for hop in chosen.hops:
        link = setting.link(hop.source, hop.target)
        takes = {
            "throughput": hop.busy_seconds,
            "latency": hop.share * (hop.latency_seconds + hop.transfer_seconds),
            "energy": 0.0,
            "cost": hop.share * problems.hop_cost(link, hop.raw_bytes),
        }
        parts.append((f"{hop.source}>{hop.target}", takes[goal]))
    name, most = max(parts, key=lambda one: one[1])
    return name, most / chosen.objective(goal)


def _next_best(setting: Setting, found: ModelAnswer, chosen: Candidate) -> Candidate | None:
    """Return the best plan but the chosen one: without a cut, or another split."""
    others = [one for one in (found.single, found.replicas, found.split) if one is not None]
    if found.finalists:
        others += [one.sum for one in found.finalists]
    elif chosen.is_split:
        others += finalists(setting, found)
    others = [one for one in others if one.groups != chosen.groups]
    return min(others, key=lambda one: one.objective(found.goal), default=None)


def _cuts(setting: Setting, one: Candidate) -> tuple[str, ...]:
    return tuple("+".join(setting.chain.blocks[group.last].cut) for group in one.groups[:-1])


def _spared(setting: Setting, chosen: Candidate, asked: Asked) -> tuple[str, Candidate | None]:
    """Return the device that can be spared best, and the best plan without it."""
    best: tuple[str, Candidate | None] = ("", None)
    for name in chosen.devices:
        left = tuple(device for device in setting.devices if device.id != name)
        if not left or name in setting.pins.values():
            continue
        other = answer(msgspec.structs.replace(setting, devices=left), asked).chosen
        if other is None:
            continue
        if best[1] is None or other.objective(asked.goal) < best[1].objective(asked.goal):
            best = (name, other)
    return best


def _neighbours(
    setting: Setting, chosen: Candidate, asked: Asked
) -> Iterator[tuple[str, float | None]]:
    worth = chosen.objective(asked.goal)
    for moves in moved(setting, chosen, asked.codecs, 1):
        for at, one in moves.found.items():
            if at != moves.at:
                worse = one.objective(asked.goal) / worth - 1 if one else None
                yield "+".join(setting.chain.blocks[at].cut), worse


def _help_most(setting: Setting, chosen: Candidate, asked: Asked) -> tuple[str, float]:
    """Return the one change that makes the plan better by most."""
    worth = chosen.objective(asked.goal)
    best = ("", 0.0)
    for what, other in _changes(setting, chosen):
        found = answer(other, asked).chosen
        better = 1 - found.objective(asked.goal) / worth if found else 0.0
        if better > best[1] + 1e-6:
            best = (what, better)
    return best


def _changes(setting: Setting, chosen: Candidate) -> Iterator[tuple[str, Setting]]:
    replace = msgspec.structs.replace
    for name in dict.fromkeys(chosen.devices):

        def faster(one: DeviceFigures, name: str = name) -> DeviceFigures:
            seconds = tuple(part / TWICE for part in one.seconds)
            return replace(one, seconds=seconds) if one.id == name else one

        yield (
            f"{name} twice as fast",
            replace(setting, devices=tuple(faster(one) for one in setting.devices)),
        )
    for ways in dict.fromkeys((hop.source, hop.target) for hop in chosen.hops):

        def wider(one: LinkFigures, ways: tuple[str, str] = ways) -> LinkFigures:
            if (one.source, one.target) != ways:
                return one
            rate = Figure(value=(one.rate.value or 1.0) * TWICE, origin=one.rate.origin)
            return replace(one, rate=rate)

        def sooner(one: LinkFigures, ways: tuple[str, str] = ways) -> LinkFigures:
            if (one.source, one.target) != ways:
                return one
            latency = Figure(value=(one.latency.value or 0.0) / TWICE, origin=one.latency.origin)
            return replace(one, latency=latency)

        name = ">".join(ways)
        yield (
            f"twice the bandwidth from {name}",
            replace(setting, links=tuple(wider(one) for one in setting.links)),
        )
        yield (
            f"half the latency from {name}",
            replace(setting, links=tuple(sooner(one) for one in setting.links)),
        )
    if any(device.memory.value is not None for device in setting.devices):
        yield (
            "no limit of memory anywhere",
            replace(
                setting, devices=tuple(replace(one, memory=Figure()) for one in setting.devices)
            ),
        )
