"""One way to serve a model, and what it is worth by every measure. Pure."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec

from fleet.model_plan import codecs, problems
from fleet.model_plan.setting import WINDOW, Setting
from fleet.planner.plan import Stage
from fleet.planner.problem import Goal


class StageFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One stage on one device."""

    device: str
    first: int
    """Block, from 0."""
    last: int
    operators: int
    multiply_accumulates: int
    seconds: float
    weight_bytes: int
    memory_bytes: int
    """Weights, activations, the runtime, and frames in flight."""


class HopFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What travels between two devices."""

    source: str
    target: str
    tensors: tuple[str, ...]
    raw_bytes: int
    codec: str
    link: str | None
    latency_seconds: float
    transfer_seconds: float
    """How long it keeps the link busy, coding included."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """Stages in their order, and what they are worth."""

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
    """Of one frame."""
    replica_periods: tuple[float, ...] = ()
    """Of each device that serves the whole model beside others: its own busiest resource's time."""

    @property
    def replicas(self) -> int:
        """Return how many devices serve the whole model."""
        return len(self.replica_periods) or 1

    @property
    def devices(self) -> tuple[str, ...]:
        """Return the devices, in order."""
        return tuple(stage.device for stage in self.stages)

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
            "replicas": self.replicas,
            "throughput_per_second": throughput,
            "frames_in_flight": throughput * self.latency_seconds,
            "multiply_accumulates": sum(stage.multiply_accumulates for stage in self.stages),
        }


def candidate(setting: Setting, stages: Sequence[Stage], allowed: Sequence[str]) -> Candidate:
    """Return what stages are worth; they fit and reach each other."""
    blocks = setting.chain.blocks
    placed = tuple(_stage(setting, stage) for stage in stages)
    hops = []
    first, last = stages[0].device, stages[-1].device
    if setting.source not in (None, first):
        inputs = tuple(setting.chain.sizes)
        hops.append(_hop(setting, (setting.source, first), setting.chain.input_bytes, inputs, ()))
    for here, there in pairwise(stages):
        block = blocks[here.last]
        ends = (here.device, there.device)
        hops.append(_hop(setting, ends, block.out_bytes, block.cut, tuple(allowed)))
    if setting.sink not in (None, last):
        hops.append(_hop(setting, (last, setting.sink), setting.chain.output_bytes, (), ()))
    compute = math.fsum(stage.seconds for stage in placed)
    watts = [setting.device(stage.device).watts.value for stage in placed]
    known = [w for w in watts if w is not None]
    joules = math.fsum(w * s.seconds for w, s in zip(known, placed, strict=False))
    prices = [setting.device(stage.device).cost for stage in placed]
    money = math.fsum(
        problems.frame_cost(setting.device(stage.device), stage.seconds) for stage in placed
    ) + math.fsum(
        problems.hop_cost(setting.link(hop.source, hop.target), hop.raw_bytes) for hop in hops
    )
    return Candidate(
        stages=placed,
        hops=tuple(hops),
        period_seconds=max([s.seconds for s in placed] + [hop.transfer_seconds for hop in hops]),
        latency_seconds=compute + math.fsum(h.latency_seconds + h.transfer_seconds for h in hops),
        compute_seconds=compute,
        joules=joules if len(known) == len(watts) else None,
        cost=None if None in prices else money,
    )


def replicated(wholes: Sequence[Candidate]) -> Candidate:
    """Return several devices that each serve the whole model, as one."""
    best = min(wholes, key=lambda one: one.latency_seconds)
    rate = math.fsum(1 / one.period_seconds for one in wholes)
    shares = [1 / one.period_seconds / rate for one in wholes]

    def mean(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        return math.fsum(share * value for share, value in zip(shares, known, strict=True))

    return msgspec.structs.replace(
        best,
        stages=tuple(one.stages[0] for one in wholes),
        hops=tuple(hop for one in wholes for hop in one.hops),
        period_seconds=1 / rate,
        latency_seconds=mean([one.latency_seconds for one in wholes]) or 0.0,
        compute_seconds=mean([one.compute_seconds for one in wholes]) or 0.0,
        joules=mean([one.joules for one in wholes]),
        cost=mean([one.cost for one in wholes]),
        replica_periods=tuple(one.period_seconds for one in wholes),
    )


def lacking(setting: Setting, found: Candidate) -> dict[str, int]:
    """Return how many bytes of memory or storage stages have too few, by device."""
    short: dict[str, int] = {}
    for stage in found.stages:
        device = setting.device(stage.device)
        over = [0]
        if device.memory.value is not None:
            over.append(stage.memory_bytes - int(device.memory.value))
        if device.storage.value is not None:
            over.append(2 * stage.weight_bytes - int(device.storage.value))
        if max(over) > 0:
            short[stage.device] = max(over)
    return short


def _stage(setting: Setting, stage: Stage) -> StageFigures:
    blocks = setting.chain.blocks[stage.first : stage.last + 1]
    device = setting.device(stage.device)
    before = setting.chain.blocks[stage.first - 1].out_bytes if stage.first else None
    taken = setting.chain.input_bytes if before is None else before
    weights = sum(block.weight_bytes for block in blocks)
    activations = max(block.activation_bytes for block in blocks)
    frames = WINDOW * (taken + blocks[-1].out_bytes)
    return StageFigures(
        device=stage.device,
        first=stage.first,
        last=stage.last,
        operators=sum(len(block.operators) for block in blocks),
        multiply_accumulates=sum(block.multiply_accumulates for block in blocks),
        seconds=math.fsum(device.seconds[stage.first : stage.last + 1]),
        weight_bytes=weights,
        memory_bytes=weights + activations + frames + device.runtime_bytes,
    )


def _hop(
    setting: Setting,
    ends: tuple[str | None, str | None],
    size_bytes: int,
    tensors: tuple[str, ...],
    allowed: tuple[str, ...],
) -> HopFigures:
    link = setting.link(ends[0] or "", ends[1] or "")
    rate = link.rate.value or 1.0
    codec, raw_rate = (codecs.RAW, rate)
    if allowed and problems.is_float(setting):
        codec, raw_rate = codecs.best(allowed, rate)
    return HopFigures(
        source=link.source,
        target=link.target,
        tensors=tensors,
        raw_bytes=size_bytes,
        codec=codec,
        link=link.link,
        latency_seconds=link.latency.value or 0.0,
        transfer_seconds=size_bytes / raw_rate,
    )
