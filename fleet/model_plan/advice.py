"""What one more device would give: the fleet that there is, planned again with each addition. Pure.

Devices that are not there yet are planned like others, from what is known of their kind. Where that
is not enough, the answer is that it is unknown, why, and what would make it known.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count, permutations
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from fleet.fleet_file.description import BY_HAND, MEASURED, UNKNOWN, Figure, Origin
from fleet.model_plan.answering import Asked, ModelVerdict, answer
from fleet.model_plan.candidate import Candidate
from fleet.model_plan.errors import BadCountError
from fleet.model_plan.kinds import Kind, Known
from fleet.model_plan.setting import LinkFigures, Setting
from fleet.planner.problem import Goal

MOST_DEVICES: Final = 32
"""Of one kind."""


class Named(msgspec.Struct, frozen=True):
    """A device, there or not, and its kind."""

    id: str
    kind: Kind


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """The best plan for a goal."""

    value: float
    """Frames a second, or seconds from source to sink."""
    change: float | None
    """By what is there now, as a share: 0.5 is half as much more. None: that is not known."""
    verdict: ModelVerdict
    to: str
    """Its devices, as `paceline deploy --to` takes them."""
    origin: Origin
    """As the least certain of the figures that it comes from."""
    plan: dict[str, Any]


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What is there, or would be."""

    add: str
    """What is added, as it was asked for; empty: nothing."""
    devices: tuple[str, ...]
    throughput: Worth | None
    """None: unknown, or nothing fits."""
    latency: Worth | None
    unknown: tuple[str, ...] = ()
    """Why it is not known."""
    to_know: tuple[str, ...] = ()
    """What would make it known."""
    notes: tuple[str, ...] = ()


def named(text: str, known: Known, taken: set[str]) -> list[Named]:
    """Return the devices of ``CLASS`` or ``CLASSxN``, with ids that are not ``taken``.

    Raises:
        UnknownKindError: There is no such class.
        BadCountError: The number is none.
    """
    name, x, number = text.rpartition("x")
    many = 1
    if text not in known.names() and x and name in known.names():
        if not (number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= MOST_DEVICES):
            raise BadCountError(text, MOST_DEVICES)
        many = int(number)
    else:
        name = text
    kind = known.kind(name)
    free = (f"{name}-{at}" for at in count(1))
    return [Named(next(one for one in free if one not in taken), kind) for _ in range(many)]


def advised(
    known: Known,
    have: Sequence[Named],
    additions: Iterable[tuple[str, Sequence[Named]]],
    links: Sequence[LinkFigures],
    asked: Asked,
) -> Iterator[Advice]:
    """Yield what there is now, then what each addition would give.

    Args:
        known: The model and the fleet file.
        have: What is there.
        additions: What may be added, each by itself, as it was asked for.
        links: Between devices that are there; and from ``""`` to ``""``: between any others.
        asked: How it is planned; its goal is not used.
    """
    now = _advice(known, "", have, links, asked, None)
    yield now
    for text, more in additions:
        yield _advice(known, text, [*have, *more], links, asked, now)


def _advice(
    known: Known,
    add: str,
    devices: Sequence[Named],
    links: Sequence[LinkFigures],
    asked: Asked,
    now: Advice | None,
) -> Advice:
    kinds = {one.kind.name: one.kind for one in devices}
    names = tuple(one.id for one in devices)
    unknown = tuple(kind.unknown for kind in kinds.values() if kind.unknown)
    if unknown:
        ways = tuple(way for kind in kinds.values() for way in kind.to_know)
        return Advice(
            add=add, devices=names, throughput=None, latency=None, unknown=unknown, to_know=ways
        )
    notes = [*known.chain.notes, *known.notes]
    notes += [kind.cannot for kind in kinds.values() if kind.cannot]
    setting = _setting(known, devices, links, notes)
    alone = _unreached(setting)
    if alone and (setting.source or setting.sink):
        return Advice(
            add=add,
            devices=names,
            throughput=None,
            latency=None,
            unknown=(f"no links of {', '.join(alone)} are known",),
            to_know=(
                "--link RATE,LATENCY, such as --link 940Mbit,0.3ms",
                *_ways_to(alone, names),
            ),
        )
    if alone:
        notes.append(
            f"no links of {', '.join(alone)} are known (--link 940Mbit,0.3ms): splits are not"
            " compared, and ways of frames are not counted"
        )
    throughput = latency = None
    if setting.devices:
        throughput = _worth(setting, asked, "throughput", now.throughput if now else None)
        latency = _worth(setting, asked, "latency", now.latency if now else None)
    if throughput is None and latency is None:
        notes.append("nothing fits (paceline plan says what is missing)")
    return Advice(
        add=add,
        devices=names,
        throughput=throughput,
        latency=latency,
        notes=tuple(dict.fromkeys(notes)),
    )


def _setting(
    known: Known, devices: Sequence[Named], links: Sequence[LinkFigures], notes: list[str]
) -> Setting:
    run = [one for one in devices if one.kind.figures is not None]
    figures = tuple(replace(one.kind.figures, id=one.id) for one in run if one.kind.figures)
    ends = [end for end in (known.fleet.source, known.fleet.sink) if end is not None]
    ids = list(dict.fromkeys([*(one.id for one in run), *ends]))
    ways = list(_ways(devices, ids, links, notes))
    notes += [
        f"memory of {one.kind.name} is unknown and taken as enough"
        for one in run
        if one.kind.figures and one.kind.figures.memory.value is None
    ]
    return Setting(
        chain=known.chain,
        devices=figures,
        links=tuple(ways),
        source=known.fleet.source,
        sink=known.fleet.sink,
        pins={},
    )


def _ways(
    devices: Sequence[Named], ids: Sequence[str], links: Sequence[LinkFigures], notes: list[str]
) -> Iterator[LinkFigures]:
    """Yield the link of each pair: its own; else what is said of any; else a peer's."""
    own = {(link.source, link.target): link for link in links}
    peers = {one.id: one.kind.peer or one.id for one in devices}
    for a, b in permutations(ids, 2):
        like = (peers.get(a, a), peers.get(b, b))
        if like[0] == like[1]:  # two of a kind: as the fastest to or from that one
            its = (way for way in own if like[0] in way)
            like = max(its, key=lambda way: own[way].rate.value or 0.0, default=like)
        if (a, b) in own:
            yield own[a, b]
        elif ("", "") in own:
            yield replace(own["", ""], source=a, target=b)
        elif like in own:
            new = next(one for one in (b, a) if peers.get(one, one) != one)
            notes.append(f"links of {new} are taken as those of {peers[new]}")
            yield replace(own[like], source=a, target=b)


def _unreached(setting: Setting) -> list[str]:
    """Return devices of several that no link is known of."""
    linked = {end for link in setting.links for end in (link.source, link.target)}
    names = [device.id for device in setting.devices]
    return [name for name in names if name not in linked] if len(names) > 1 else []


def _ways_to(alone: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    other = next((name for name in names if name not in alone), None)
    if other is not None:
        yield f"paceline link {other} {alone[0]}"


def _worth(setting: Setting, asked: Asked, goal: Goal, now: Worth | None) -> Worth | None:
    found = answer(setting, replace(asked, goal=goal))
    if found.chosen is None:
        return None
    worth = found.chosen.objective(goal)
    value = 1 / worth if goal == "throughput" else worth
    return Worth(
        value=value,
        change=value / now.value - 1 if now else None,
        verdict=found.verdict,
        to=found.chosen.to,
        origin=_origin(setting, found.chosen),
        plan=found.chosen.described(),
    )


def _origin(setting: Setting, chosen: Candidate) -> Origin:
    """Return how the least certain figure of a plan is known."""
    origins: list[Origin] = [setting.device(name).seconds_origin for name in chosen.devices]
    for hop in chosen.hops:
        link = setting.link(hop.source, hop.target)
        origins += [link.rate.origin, link.latency.origin]
    for one in (BY_HAND, MEASURED):
        if one in origins:
            return one
    return UNKNOWN.origin


def any_link(figures: dict[str, Figure]) -> LinkFigures:
    """Return what is said of all links that nothing else is known of, as `advised` takes it."""
    return LinkFigures(
        source="",
        target="",
        link=None,
        latency=figures.get("latency_seconds", Figure(value=0.0, origin=BY_HAND)),
        rate=figures["bytes_per_second"],
        cost=None,
    )
