"""The demo's plan: where to cut, and what is to be expected. Pure.

The model was measured here, on all cores at once, and agents are alike. They share cores, counted:
see `paceline.demo.sharing`. What is between them is the broker on this machine, described by hand.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final, Literal

import msgspec

from fleet.fleet_file.description import BY_HAND, Device, Figure, Fleet, Link
from fleet.model_plan import answering, served
from fleet.model_plan import setting as settings
from fleet.model_plan.answering import EQUAL, Asked, ModelAnswer
from fleet.model_plan.candidate import Candidate, Group, grouped
from fleet.model_plan.chain import ModelChain
from fleet.model_plan.codecs import RAW
from fleet.model_plan.setting import Setting
from fleet.profiles.record import ModelProfile
from fleet.simulator import predicting
from fleet.simulator.pipeline import Pipeline
from fleet.simulator.predicting import Prediction
from paceline.demo import sharing

CLIENT: Final = "client"
LEAST_FREE: Final = 0.1
"""Part of all cores that others cannot take from us: whoever computes gets a share."""
MUCH: Final = 0.1
"""Part of all cores that others may use before it is said."""
NEARLY: Final = 0.1
"""A slowest stage that is longer by this share is as good, if less is sent."""
_RATE: Final = Figure(value=1 / sharing.HOP_SECONDS_PER_BYTE, origin=BY_HAND)
_LATENCY: Final = Figure(value=sharing.HOP_SECONDS, origin=BY_HAND)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is best for one goal: frames a second for throughput, seconds for latency."""

    verdict: Literal["split", "do not split"]
    single: float
    """The whole model on one agent."""
    replicas: float | None
    """On all of them; None: that does not help."""
    split: float | None
    """The best split; None: there is none."""
    split_stages: int
    """How many segments that has."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What agents, broker and client share."""

    cores: int
    others_busy_ratio: float
    """Which part of them others used while the model was measured."""

    @property
    def free(self) -> float:
        """Cores that others leave."""
        return self.cores * max(LEAST_FREE, 1 - self.others_busy_ratio)


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """Where to cut, and what is to be expected."""

    throughput: Verdict
    latency: Verdict
    machine: Machine
    cuts: tuple[str, ...]
    """As `paceline split --at` takes them: one segment for each agent."""
    shown: Candidate
    """What is cut so."""
    pipeline: Pipeline
    """The same as it would be deployed to machines of their own."""

    def predicted(self, window: int) -> Prediction | None:
        """Return what is to be expected of it on this machine."""
        here = sharing.on_shared_cores(self.pipeline, self.shown, self.machine.free, window)
        return predicting.predicted(here, window)


def planned(
    chain: ModelChain, profile: ModelProfile, devices: Sequence[str], machine: Machine
) -> DemoPlan | None:
    """Return the plan; None: the chain has too few places to cut for so many devices.

    Raises:
        CodedError: It cannot be planned.
    """
    here = _setting(chain, profile, devices)
    fastest = answering.answer(here, Asked(goal="throughput", codecs=(RAW,)))
    soonest = answering.answer(here, Asked(goal="latency", codecs=(RAW,)))
    shown = _shown(here, fastest)
    if shown is None:
        return None
    return DemoPlan(
        throughput=_throughput(fastest, shown, machine.free),
        latency=_latency(soonest),
        machine=machine,
        cuts=tuple("+".join(chain.blocks[group.last].cut) for group in shown.groups[:-1]),
        shown=shown,
        pipeline=served.pipeline(here, shown),
    )


def lines(plan: DemoPlan) -> Iterator[str]:
    """Yield what people are told of it, in lines of at most 69 characters."""
    fast, soon, agents = plan.throughput, plan.latency, len(plan.shown.stages)
    if fast.split is None or soon.split is None:
        yield f"one agent does {fast.single:.1f} frames/s, a frame in {soon.single * 1e3:.0f} ms"
        return
    yield f"for throughput: {fast.verdict}. {fast.split_stages} segments {fast.split:.1f} frames/s,"
    copies = f"the whole model on {agents} agents {fast.replicas:.1f}, " if fast.replicas else ""
    yield f"{copies}on one {fast.single:.1f}"
    yield (
        f"for latency: {soon.verdict}. {soon.split_stages} segments {soon.split * 1e3:.0f} ms,"
        f" one agent {soon.single * 1e3:.0f} ms"
    )
    yield f"{agents} agents share {plan.machine.cores} cores here, which counts in these figures"
    if plan.machine.others_busy_ratio > MUCH:
        yield f"so does what others use of them now: {plan.machine.others_busy_ratio:.0%}"
    if fast.verdict == "do not split":
        rate = 1 / sharing.period_seconds(plan.shown, plan.machine.free)
        yield f"split all the same, to show a pipeline: {agents} segments {rate:.1f} frames/s"


def _setting(chain: ModelChain, profile: ModelProfile, devices: Sequence[str]) -> Setting:
    fleet = Fleet(
        devices=tuple(Device(id=device) for device in devices),
        links=tuple(
            Link(source=a, target=b, link="mqtt", latency_seconds=_LATENCY, bytes_per_second=_RATE)
            for a, b in permutations((CLIENT, *devices), 2)
        ),
        source=CLIENT,
        sink=CLIENT,
    )
    profiles = dict.fromkeys(devices, profile)
    return settings.setting(chain, fleet, profiles, {}, pins={}, command="paceline profile")


def _shown(here: Setting, fastest: ModelAnswer) -> Candidate | None:
    """Return the split with a stage on every device; None: there are too few places to cut.

    Its slowest stage is nearly as fast as the planner says that it can be. Within that, its cuts
    are the narrowest, as the splitter's are: on one machine, what is sent keeps its cores busy.
    """
    seconds = here.devices[0].seconds
    best = fastest.split.period_seconds if fastest.split else sum(seconds)
    sizes = [block.out_bytes for block in here.chain.blocks]
    ranges = sharing.narrowest(seconds, sizes, len(here.devices), best * (1 + NEARLY))
    if ranges is None:
        return None
    placed = zip(ranges, here.devices, strict=True)
    return grouped(here, [Group(*ends, (device.id,)) for ends, device in placed], (RAW,))


def _throughput(answer: ModelAnswer, shown: Candidate, cores: float) -> Verdict:
    def rate(found: Candidate) -> float:
        return 1 / sharing.period_seconds(found, cores)

    assert answer.single is not None, "nothing limits the demo's agents"
    single = rate(answer.single)
    replicas = rate(answer.replicas) if answer.replicas else None
    splits = [one for one in (answer.split, shown) if one is not None and one.is_split]
    split = max(splits, key=rate, default=None)
    wins = split is not None and rate(split) > max(single, replicas or 0.0) * (1 + EQUAL)
    return Verdict(
        verdict="split" if wins else "do not split",
        single=single,
        replicas=replicas,
        split=rate(split) if split else None,
        split_stages=len(split.groups) if split else 1,
    )


def _latency(answer: ModelAnswer) -> Verdict:
    assert answer.single is not None, "nothing limits the demo's agents"
    split = answer.split
    wins = split is not None and split.latency_seconds < answer.single.latency_seconds * (1 - EQUAL)
    return Verdict(
        verdict="split" if wins else "do not split",
        single=answer.single.latency_seconds,
        replicas=None,
        split=split.latency_seconds if split else None,
        split_stages=len(split.groups) if split else 1,
    )
