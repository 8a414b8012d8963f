"""One way to serve a model, and what it is worth by every measure. Pure.

A stage may have several devices. Then each takes its share of the frames: the faster, the more.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

import msgspec

from fleet.model_plan import codecs, on_chip, problems
from fleet.model_plan.setting import WINDOW, DeviceFigures, Setting
from fleet.planner.plan import Stage
from fleet.planner.problem import Goal

StageTimes = Mapping[tuple[str, int, int], float]
"""Seconds that were measured of a whole stage: by device, first and last block."""
NOT_MEASURED: Final[StageTimes] = MappingProxyType({})


class Group(msgspec.Struct, frozen=True):
    """Blocks of a chain on one device, or on several that take turns."""

    first: int
    last: int
    devices: tuple[str, ...]


class StageFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One stage on one device."""

    device: str
    first: int
    """Block, from 0."""
    last: int
    operators: int
    multiply_accumulates: int
    share: float
    """Of all frames, that come here; below 1 where a stage has several devices."""
    seconds: float
    """Of each of those."""
    weight_bytes: int
    again_bytes: int = 0
    """Of these, weights that an earlier stage holds, too."""
    streamed_bytes: int = 0
    """Of these, weights that travel to the device's accelerator for each frame."""
    in_flight_bytes: int
    """Of frames that came and of answers that are kept."""
    memory_bytes: int
    """Weights as they are loaded, activations, the runtime, and frames in flight."""
    runtime: str = ""
    """Whose times these are."""
    says_runtime: bool = False
    """Whether a deploy must be told so, for the device itself would choose another."""

    @property
    def busy_seconds(self) -> float:
        """Return how long it is busy for each frame of the pipeline, on average."""
        return self.share * self.seconds


class HopFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What travels between two devices."""

    source: str
    target: str
    into: int
    """The stage that it leads into; one more than there are: to the sink."""
    share: float
    """Of all frames, that go this way."""
    tensors: tuple[str, ...]
    raw_bytes: int
    codec: str
    link: str | None
    latency_seconds: float
    transfer_seconds: float
    """How long one frame keeps the link busy, coding included."""

    @property
    def busy_seconds(self) -> float:
        """Return how long the link is busy for each frame of the pipeline, on average."""
        return self.share * self.transfer_seconds


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """Stages in their order, and what they are worth."""

    groups: tuple[Group, ...]
    stages: tuple[StageFigures, ...]
    hops: tuple[HopFigures, ...]
    period_seconds: float
    """The busiest resource's time for each frame; throughput is one over it."""
    latency_seconds: float
    """D, hops included."""
    compute_seconds: float
    """D without hops."""
    joules: float | None
    """Of computing, for each frame; None: watts are not known of every device."""
    cost: float | None
    """Of one frame; None: a price is missing, or in another currency."""

    @property
    def devices(self) -> tuple[str, ...]:
        """Return all devices, in order."""
        return tuple(stage.device for stage in self.stages)

    @property
    def is_split(self) -> bool:
        """Whether the model is cut at all."""
        return len(self.groups) > 1

    @property
    def to(self) -> str:
        """Return its devices as `paceline deploy --to` takes them."""
        return ",".join("+".join(group.devices) for group in self.groups)

    def objective(self, goal: Goal) -> float:
        """Return what the goal makes small; infinite where it is not known."""
        found = {
            "throughput": self.period_seconds,
            "latency": self.latency_seconds,
            "energy": self.joules,
            "cost": self.cost,
        }[goal]
        return math.inf if found is None else found

    def described(self) -> dict[str, Any]:
        """Return it as plain data."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        throughput = 1 / self.period_seconds
        return {
            **plain,
            "to": self.to,
            "throughput_per_second": throughput,
            "frames_in_flight": throughput * self.latency_seconds,
        }


class Finalist(msgspec.Struct, frozen=True, kw_only=True):
    """A plan, by sums of operators and as it was measured."""

    sum: Candidate
    measured: Candidate | None
    """None: not all of its segments were measured."""
    missing: tuple[str, ...] = ()
    """Why not, by device or by cut."""


def candidate(setting: Setting, stages: Sequence[Stage], allowed: Sequence[str]) -> Candidate:
    """Return what stages are worth; they reach each other."""
    groups = [Group(stage.first, stage.last, (stage.device,)) for stage in stages]
    return grouped(setting, groups, allowed)


def grouped(
    setting: Setting,
    groups: Sequence[Group],
    allowed: Sequence[str],
    times: StageTimes = NOT_MEASURED,
) -> Candidate:
    """Return what stages are worth that may have several devices each.

    Args:
        setting: Model and fleet.
        groups: The stages.
        allowed: Codecs that links may use.
        times: What is known of whole stages; others take the sum of their operators.

    Raises:
        StopIteration: Two that follow each other have no link.
    """
    shares = [_shares(setting, group, times) for group in groups]
    placed = [
        _stage(setting, group, setting.device(device), share[device], times)
        for group, share in zip(groups, shares, strict=True)
        for device in group.devices
    ]
    hops = _hops(setting, groups, shares, tuple(allowed))
    compute = math.fsum(stage.busy_seconds for stage in placed)
    on_the_way = math.fsum(h.share * (h.latency_seconds + h.transfer_seconds) for h in hops)
    return Candidate(
        groups=tuple(groups),
        stages=tuple(placed),
        hops=tuple(hops),
        period_seconds=max([s.busy_seconds for s in placed] + [h.busy_seconds for h in hops]),
        latency_seconds=compute + on_the_way,
        compute_seconds=compute,
        joules=_joules(setting, placed),
        cost=_cost(setting, placed, hops),
    )


def lacking(setting: Setting, found: Candidate) -> dict[str, int]:
    """Return the devices that have too little memory or storage.

    With the bytes that depend on where it is cut: of frames, and of weights that are there twice.
    """
    short: dict[str, int] = {}
    for stage in found.stages:
        device = setting.device(stage.device)
        over = [0]
        if device.memory.value is not None:
            over.append(stage.memory_bytes - int(device.memory.value))
        if device.storage.value is not None:
            over.append(2 * stage.weight_bytes - int(device.storage.value))
        if max(over) > 0:
            again = round(setting.copied * stage.again_bytes)
            short[stage.device] = stage.in_flight_bytes + again
    return short


def _seconds(setting: Setting, group: Group, device: DeviceFigures, times: StageTimes) -> float:
    known = times.get((device.id, group.first, group.last))
    if known is not None:
        return known
    streaming = _streamed_bytes(setting, group, device, times) / device.stream_bytes_per_second
    return math.fsum([*device.seconds[group.first : group.last + 1], streaming])


def _streamed_bytes(
    setting: Setting, group: Group, device: DeviceFigures, times: StageTimes
) -> int:
    """Return the weights that travel for each frame; none where the stage was measured."""
    if (device.id, group.first, group.last) in times:
        return 0
    return on_chip.streamed_bytes(device, _weight_bytes(setting, group))


def _weight_bytes(setting: Setting, group: Group) -> int:
    chain = setting.chain
    blocks = chain.blocks[group.first : group.last + 1]
    again = chain.again_bytes(group.first, group.last)
    return sum(block.weight_bytes for block in blocks) + again


def _shares(setting: Setting, group: Group, times: StageTimes) -> dict[str, float]:
    """Return what part of the frames each device of a stage takes, so that all are equally busy.

    A device is as slow as its computing, or its way from the source or to the sink.
    """
    chain = setting.chain
    rates = {}
    for device in group.devices:
        slowest = _seconds(setting, group, setting.device(device), times)
        if group.first == 0 and setting.source not in {None, device}:
            way = setting.link(setting.source or "", device)
            slowest = max(slowest, chain.input_bytes / (way.rate.value or 1.0))
        if group.last == len(chain.blocks) - 1 and setting.sink not in {None, device}:
            way = setting.link(device, setting.sink or "")
            slowest = max(slowest, chain.output_bytes / (way.rate.value or 1.0))
        rates[device] = 1 / slowest
    whole = math.fsum(rates.values())
    return {device: rate / whole if len(rates) > 1 else 1.0 for device, rate in rates.items()}


def _stage(
    setting: Setting, group: Group, device: DeviceFigures, share: float, times: StageTimes
) -> StageFigures:
    chain = setting.chain
    blocks = chain.blocks[group.first : group.last + 1]
    taken = chain.blocks[group.first - 1].out_bytes if group.first else chain.input_bytes
    again = chain.again_bytes(group.first, group.last)
    weights = _weight_bytes(setting, group)
    activations = max(block.activation_bytes for block in blocks)
    frames = WINDOW * (taken + blocks[-1].out_bytes)
    return StageFigures(
        device=device.id,
        first=group.first,
        last=group.last,
        operators=sum(len(block.operators) for block in blocks),
        multiply_accumulates=sum(block.multiply_accumulates for block in blocks),
        share=share,
        seconds=_seconds(setting, group, device, times),
        weight_bytes=weights,
        again_bytes=again,
        streamed_bytes=_streamed_bytes(setting, group, device, times),
        in_flight_bytes=frames,
        memory_bytes=round(weights * setting.copied) + activations + frames + device.runtime_bytes,
        runtime=device.runtime,
        says_runtime=device.says_runtime,
    )


def _hops(
    setting: Setting,
    groups: Sequence[Group],
    shares: Sequence[dict[str, float]],
    allowed: tuple[str, ...],
) -> list[HopFigures]:
    """Return every way that frames take, in their order."""
    chain, end = setting.chain, len(groups)
    found = []
    if setting.source is not None:
        ways = {(setting.source, device): share for device, share in shares[0].items()}
        found += _ways(setting, ways, 0, chain.input_bytes, tuple(chain.sizes), ())
    for into, (here, there) in enumerate(pairwise(shares), start=1):
        block = chain.blocks[groups[into - 1].last]
        ways = {(a, b): here[a] * there[b] for a in here for b in there}
        found += _ways(setting, ways, into, block.out_bytes, block.cut, allowed)
    if setting.sink is not None:
        ways = {(device, setting.sink): share for device, share in shares[-1].items()}
        found += _ways(setting, ways, end, chain.output_bytes, (), ())
    return found


def _ways(
    setting: Setting,
    ways: dict[tuple[str, str], float],
    into: int,
    size_bytes: int,
    tensors: tuple[str, ...],
    allowed: tuple[str, ...],
) -> list[HopFigures]:
    found = []
    links = {(a, b): setting.link(a, b) for a, b in ways if a != b}
    codec = codecs.RAW
    if links and allowed and problems.is_float(setting):  # one for an edge, as a deploy takes it
        codec, _ = codecs.best(allowed, min(link.rate.value or 1.0 for link in links.values()))
    for (source, target), link in links.items():
        found.append(
            HopFigures(
                source=source,
                target=target,
                into=into,
                share=ways[source, target],
                tensors=tensors,
                raw_bytes=size_bytes,
                codec=codec,
                link=link.link,
                latency_seconds=link.latency.value or 0.0,
                transfer_seconds=size_bytes / codecs.raw_rate(codec, link.rate.value or 1.0),
            )
        )
    return found


def _joules(setting: Setting, placed: Sequence[StageFigures]) -> float | None:
    joules = 0.0
    for stage in placed:
        watts = setting.device(stage.device).watts.value
        if watts is None:
            return None
        joules += watts * stage.busy_seconds
    return joules


def _cost(
    setting: Setting, placed: Sequence[StageFigures], hops: Sequence[HopFigures]
) -> float | None:
    devices = [setting.device(stage.device) for stage in placed]
    if any(device.cost is None for device in devices):
        return None
    links = [setting.link(hop.source, hop.target) for hop in hops]
    money = problems.currency(setting)
    if not all(
        [
            *(problems.countable(one.cost, problems.OF_DEVICES, money) for one in devices),
            *(problems.countable(one.cost, problems.OF_LINKS, money) for one in links),
        ]
    ):
        return None
    computing = math.fsum(
        problems.frame_cost(device, stage.busy_seconds)
        for device, stage in zip(devices, placed, strict=True)
    )
    return computing + math.fsum(
        hop.share * problems.hop_cost(link, hop.raw_bytes)
        for link, hop in zip(links, hops, strict=True)
    )
