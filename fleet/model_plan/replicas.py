"""Several devices for one stage, where that makes a pipeline's slowest resource less busy. Pure.

Two ways, both greedy, so nothing is proven of their results: a device is added to a stage that is
there (`grown`); or two devices are planned with as if they were one (`pairs`), so that the cuts
move with them.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from typing import Final

from msgspec.structs import replace

from fleet.fleet_file.description import Figure
from fleet.model_plan.candidate import Candidate, Group, grouped, lacking
from fleet.model_plan.setting import DeviceFigures, LinkFigures, Setting

LEAST_GAIN: Final = 1e-9
"""A device that saves less than this share of the period is left out."""
MOST_PAIRS: Final = 100
"""Pairs that are tried to be joined at a time."""
PLUS: Final = "+"
"""Joins names of devices; none has it in its own."""


def grown(setting: Setting, start: Candidate, allowed: Sequence[str]) -> Candidate:
    """Return ``start`` with the devices added that make its busiest resource less busy."""
    best = start
    while True:
        more = list(_one_more(setting, best, allowed))
        better = min(more, key=lambda one: one.period_seconds, default=None)
        if better is None or better.period_seconds >= best.period_seconds * (1 - LEAST_GAIN):
            return best
        best = better


def pairs(setting: Setting) -> Iterator[Setting]:
    """Yield the setting with two devices joined, for each two that are not pinned to."""
    pinned = setting.pins.values()
    free = [one for one in setting.devices if one.replicas and one.id not in pinned]
    for number, (a, b) in enumerate(combinations(free, 2)):
        if number == MOST_PAIRS:
            return
        yield _joined(setting, a, b)


def apart(setting: Setting, found: Candidate, allowed: Sequence[str]) -> Candidate | None:
    """Return a candidate of joined devices as one of real ones; None: it does not fit."""
    groups = [
        Group(group.first, group.last, tuple(n for d in group.devices for n in d.split(PLUS)))
        for group in found.groups
    ]
    if not _linked(setting, groups):
        return None
    one = grouped(setting, groups, allowed)
    return None if lacking(setting, one) else one


def _joined(setting: Setting, a: DeviceFigures, b: DeviceFigures) -> Setting:
    """Return the setting with two devices as one that takes turns.

    Their shares are those of the whole model: of single blocks they are about the same.
    """
    rates = [1 / sum(a.seconds), 1 / sum(b.seconds)]
    shares = {a.id: rates[0] / sum(rates), b.id: rates[1] / sum(rates)}
    name = f"{a.id}{PLUS}{b.id}"
    device = replace(
        a,
        id=name,
        seconds=tuple(1 / (1 / x + 1 / y) for x, y in zip(a.seconds, b.seconds, strict=True)),
        runtime_bytes=max(a.runtime_bytes, b.runtime_bytes),
        copied=max(a.copied, b.copied),
        memory=_less(a.memory, b.memory),
        storage=_less(a.storage, b.storage),
        cloud=a.cloud and b.cloud,
    )
    known = {(link.source, link.target): link for link in setting.links}
    links = [link for link in setting.links if not {link.source, link.target} & shares.keys()]
    ends = {*(d.id for d in setting.devices), setting.source, setting.sink} - {None}
    for other in sorted(end for end in ends if end is not None):
        for out in (True, False):
            members = [member for member in shares if member != other]
            ways = [known.get((m, other) if out else (other, m)) for m in members]
            if other in shares and other not in {setting.source, setting.sink}:
                continue
            found = [way for way in ways if way is not None]
            if len(found) == len(members):
                part = [shares[member] for member in members]
                links.append(_together(found, part, name, other, out=out))
    devices = (*(d for d in setting.devices if d.id not in shares), device)
    return replace(setting, devices=devices, links=tuple(links))


def _together(
    ways: Sequence[LinkFigures], shares: Sequence[float], name: str, other: str, *, out: bool
) -> LinkFigures:
    """Return several links, each with its share of the frames, as one."""
    rate = min((w.rate.value or 1.0) / share for w, share in zip(ways, shares, strict=True))
    latency = sum((w.latency.value or 0.0) * share for w, share in zip(ways, shares, strict=True))
    return replace(
        ways[0],
        source=name if out else other,
        target=other if out else name,
        rate=Figure(value=rate, origin=ways[0].rate.origin),
        latency=Figure(value=latency, origin=ways[0].latency.origin),
    )


def _less(a: Figure, b: Figure) -> Figure:
    if a.value is None or b.value is None:
        return b if a.value is None else a
    return a if a.value <= b.value else b


def _one_more(setting: Setting, found: Candidate, allowed: Sequence[str]) -> Iterator[Candidate]:
    """Yield the candidate with each free device beside each stage, where that fits."""
    share = {device.id for device in setting.devices if device.replicas}
    free = [one.id for one in setting.devices if one.replicas and one.id not in found.devices]
    for place, group in enumerate(found.groups):
        pinned = any(group.first <= block <= group.last for block in setting.pins)
        fixed = pinned or not share.issuperset(group.devices)
        for device in () if fixed else free:
            groups = list(found.groups)
            groups[place] = Group(group.first, group.last, (*group.devices, device))
            if not _linked(setting, groups):
                continue
            one = grouped(setting, groups, allowed)
            if not lacking(setting, one):
                yield one


def _linked(setting: Setting, groups: Sequence[Group]) -> bool:
    """Whether every device reaches those of the next stage."""
    known = {(link.source, link.target) for link in setting.links}
    ends: list[tuple[str, ...]] = [group.devices for group in groups]
    if setting.source is not None:
        ends.insert(0, (setting.source,))
    if setting.sink is not None:
        ends.append((setting.sink,))
    ways = [(a, b) for here, there in pairwise(ends) for a in here for b in there]
    return all(a == b or (a, b) in known for a, b in ways)
