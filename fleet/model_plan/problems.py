"""The planner's problem of a setting, for a goal and the codecs that links may use. Pure.

A sum is a sum: for energy and cost an operator's time becomes its joules or its money, and the
planner makes their sum small as it does with latency.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from fleet.fleet_file.description import Price
from fleet.model_plan import codecs
from fleet.model_plan.errors import FigureMissingError
from fleet.model_plan.setting import (
    SHORTEST_SECONDS,
    WINDOW,
    DeviceFigures,
    LinkFigures,
    Setting,
)
from fleet.planner.instance import LONGEST_NAME
from fleet.planner.problem import Device, Goal, Link, Op, Problem

SOURCE: Final = "@source"
SINK: Final = "@sink"
"""Where frames come from and go to, apart from the device there: what enters is not coded."""
THICKNESSES: Final = 5
"""How many sizes of cuts are tried where memory is scarce."""
_NOWHERE: Final = 10**15
"""Bytes of a cut that shall not be."""
_FREE: Final = 1e15
"""Bytes a second of what costs nothing."""
_HOURS: Final = {"hour": 1.0, "day": 24.0, "month": 730.0}
_FRAMES: Final = {"frame": 1.0, "million_frames": 1e6}
_MESSAGES: Final = {"message": 1.0, "million_messages": 1e6}
OF_DEVICES: Final[Mapping[str, float]] = {**_HOURS, **_FRAMES}
OF_LINKS: Final[Mapping[str, float]] = {**_MESSAGES, **_FRAMES, "GB": 1.0}
"""What the prices of devices and of links may be for."""


def problem(
    setting: Setting, goal: Goal, allowed: tuple[str, ...], tightened: Mapping[str, int]
) -> Problem:
    """Return what is to be planned.

    Args:
        setting: Model and fleet.
        goal: What is made small.
        allowed: Codecs that links may use.
        tightened: Bytes of memory that a device has less, since frames in flight at a cut took so
            many: where the cuts are is not known before.

    Raises:
        FigureMissingError: The goal needs what nobody knows.
    """
    check(setting, goal)
    chain = setting.chain
    coded = goal in ("throughput", "latency") and allowed != (codecs.RAW,)
    ops = tuple(
        Op(
            name=_name(block.operators[0], place),
            seconds={
                device.id: _worth(device, goal, place)
                for device in setting.devices
                if setting.pins.get(place, device.id) == device.id
            },
            weight_bytes=round(setting.copied * block.weight_bytes),
            activation_bytes=block.activation_bytes,
            out_bytes=block.out_bytes,
        )
        for place, block in enumerate(chain.blocks)
    )
    devices = [
        Device(
            id=one.id,
            memory_bytes=_memory(one, tightened.get(one.id, 0)),
            storage_bytes=_storage(setting, one, tightened.get(one.id, 0)),
        )
        for one in setting.devices
    ]
    known = {device.id for device in devices}
    ends = [end for end in (setting.source, setting.sink) if end is not None]
    devices += [Device(id=end) for end in dict.fromkeys(ends) if end not in known]
    links = [_link(setting, goal, link, allowed if coded else (codecs.RAW,))
             for link in setting.links]  # fmt: skip
    source, sink = setting.source, setting.sink
    if coded and source is not None:
        links += _apart(setting, SOURCE, source, out=True)
        devices.append(Device(id=SOURCE))
        source = SOURCE
    if coded and sink is not None:
        links += _apart(setting, SINK, sink, out=False)
        devices.append(Device(id=SINK))
        sink = SINK
    return Problem(
        ops=ops,
        devices=tuple(devices),
        links=tuple(links),
        source=source,
        sink=sink,
        input_bytes=chain.input_bytes,
        output_bytes=chain.output_bytes,
        cut_space=chain.cut_space,
    )


def thin(setting: Setting, goal: Goal, allowed: tuple[str, ...]) -> Iterator[Problem]:
    """Yield problems that are cut only where little crosses, with memory for that set aside.

    So frames in flight take no more than that, except those that enter the first stage and those
    that leave the last one.
    """
    sizes = sorted({block.out_bytes for block in setting.chain.blocks[:-1]})
    for most in sizes[:: max(1, -(-len(sizes) // THICKNESSES))]:  # a chain of one block has none
        less = {device.id: 2 * WINDOW * most for device in setting.devices}
        whole = problem(setting, goal, allowed, less)
        ops = tuple(
            op if op.out_bytes <= most else msgspec.structs.replace(op, out_bytes=_NOWHERE)
            for op in whole.ops
        )
        yield msgspec.structs.replace(whole, ops=ops)


def check(setting: Setting, goal: Goal) -> None:
    """Check that what the goal needs is known.

    Raises:
        FigureMissingError: It is not.
    """
    missing: list[str] = []
    if goal == "energy":
        missing = [f"watts of {one.id}" for one in setting.devices if one.watts.value is None]
    if goal == "cost":
        missing = [f"cost of {one.id}" for one in setting.devices if one.cost is None]
        missing += _units(setting)
    if missing:
        raise FigureMissingError(goal, missing)


def currency(setting: Setting) -> str:
    """Return what costs are in; empty: nothing has one."""
    priced = [*(one.cost for one in setting.devices), *(one.cost for one in setting.links)]
    prices = [price for price in priced if price is not None]
    return prices[0].unit.partition("/")[0] if prices else ""


def _units(setting: Setting) -> Iterator[str]:
    """Yield prices that cannot be counted for a frame."""
    money = currency(setting)
    priced: list[tuple[str, Price | None, Mapping[str, float]]] = [
        *((one.id, one.cost, OF_DEVICES) for one in setting.devices),
        *((f"{one.source}>{one.target}", one.cost, OF_LINKS) for one in setting.links),
    ]
    for name, price, known in priced:
        if price is None:
            continue
        unit, _, per = price.unit.partition("/")
        if per not in known:
            yield f"cost of {name} for a frame (it is by {per})"
        if unit != money:
            yield f"cost of {name} in {money} (it is in {unit})"


def countable(price: Price | None, known: Mapping[str, float], money: str) -> bool:
    """Whether a price can be counted for a frame, in ``money``; without a price there is none."""
    if price is None:
        return True
    unit, _, per = price.unit.partition("/")
    return per in known and unit == money


def frame_cost(device: DeviceFigures, seconds: float) -> float:
    """Return what so many busy seconds of a device cost."""
    if device.cost is None:
        return 0.0
    per = device.cost.unit.partition("/")[2]
    if per in _HOURS:
        return device.cost.amount * seconds / 3600 / _HOURS[per]
    return device.cost.amount / _FRAMES.get(per, 1.0) * seconds / sum(device.seconds)


def hop_cost(link: LinkFigures, size_bytes: float) -> float:
    """Return what one message over a link costs."""
    if link.cost is None:
        return 0.0
    per = link.cost.unit.partition("/")[2]
    if per == "GB":
        return link.cost.amount * size_bytes / 1e9
    return link.cost.amount / {**_MESSAGES, **_FRAMES}.get(per, 1.0)


def _name(tensor: str, place: int) -> str:
    """Return what a block is called: by its first tensor, where an instance takes such names."""
    usual = 0 < len(tensor) <= LONGEST_NAME and tensor.isprintable()
    return tensor if usual else f"block {place}"


def _worth(device: DeviceFigures, goal: Goal, place: int) -> float:
    seconds = device.seconds[place]
    if goal == "energy":
        return max(seconds * (device.watts.value or 0.0), SHORTEST_SECONDS)
    if goal == "cost":
        return max(frame_cost(device, seconds), 1e-18)
    return seconds


def _memory(device: DeviceFigures, less: int) -> int | None:
    """Return what weights and activations may take."""
    if device.memory.value is None:
        return None
    return max(1, int(device.memory.value) - device.runtime_bytes - less)


def _storage(setting: Setting, device: DeviceFigures, less: int) -> int | None:
    """Return what weights may take, counted as loaded ones, so that two generations are stored.

    Each block's weights were rounded; what is too much by that is found when it is judged.
    """
    if device.storage.value is None:
        return None
    half = setting.copied * device.storage.value / 2
    return max(1, int(half) + len(setting.chain.blocks) - less)


def _link(setting: Setting, goal: Goal, link: LinkFigures, allowed: tuple[str, ...]) -> Link:
    latency, rate = link.latency.value or 0.0, link.rate.value or 1.0
    if goal in ("energy", "cost"):
        latency, size = 0.0, 1e9
        if goal == "cost":
            flat = hop_cost(link, 0)
            by_byte = (hop_cost(link, size) - flat) / size
            latency, rate = flat, 1 / by_byte if by_byte else _FREE
        else:
            rate = _FREE
        return Link(from_=link.source, to=link.target, latency_seconds=latency,
                    bytes_per_second=rate)  # fmt: skip
    _, rate = codecs.best(allowed, rate) if is_float(setting) else (codecs.RAW, rate)
    return Link(from_=link.source, to=link.target, latency_seconds=latency, bytes_per_second=rate)


def is_float(setting: Setting) -> bool:
    """Whether what crosses cuts is float32 for the most part: codecs leave the rest as it is."""
    blocks = setting.chain.blocks[:-1]
    return sum(b.float_bytes for b in blocks) * 10 >= 9 * sum(b.out_bytes for b in blocks)


def _apart(setting: Setting, end: str, device: str, *, out: bool) -> Iterator[Link]:
    """Yield raw links between the source or sink and every device."""
    for link in setting.links:
        if (link.source if out else link.target) == device:
            yield Link(
                from_=end if out else link.source,
                to=link.target if out else end,
                latency_seconds=link.latency.value or 0.0,
                bytes_per_second=link.rate.value or 1.0,
            )
    yield Link(
        from_=end if out else device,
        to=device if out else end,
        latency_seconds=0.0,
        bytes_per_second=_FREE,
    )
