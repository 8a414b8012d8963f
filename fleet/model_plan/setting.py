"""What is planned with: the model's chain, the fleet, and where each figure is from. Pure."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

import msgspec

from fleet import runtime_choice
from fleet.edgetpu import memory
from fleet.fleet_file.description import (
    BY_HAND,
    MEASURED,
    UNKNOWN,
    Device,
    Figure,
    Fleet,
    Link,
    Origin,
    Price,
)
from fleet.model_plan.chain import ModelChain
from fleet.model_plan.errors import PinError, ProfileMissingError
from fleet.profiles import attribution
from fleet.profiles.record import ModelProfile
from wire.link_report import LinkReport
from wire.messages import Info
from wire.profile_report import ProfileReport

SHORTEST_SECONDS: Final = 1e-9
"""An operator that takes no time to speak of takes this."""
WINDOW: Final = 8
"""Frames in flight that memory must suffice for: what `paceline run` has by default."""


class DeviceFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a device that may run a part of the model."""

    id: str
    seconds: tuple[float, ...]
    """Of each block."""
    seconds_origin: Origin
    seconds_from: str
    """Of which profile, for people."""
    base: str
    """The device that was measured: itself, or the one that it is compared with."""
    times: float
    """As fast as that one."""
    low_share: float
    high_share: float
    """Tenth and ninetieth percentile of the whole run, by its median."""
    mean_share: float
    """The mean of the whole run, by its median."""
    spare_core: bool
    """Whether its processor has a core beside those that compute."""
    cpu_share: float
    """Of the time of a run, on how much of a core its threads computed, on average; under a quota
    the rest is waiting."""
    cpu_period_seconds: float | None
    """After which a quota is given anew; None: none holds its threads up."""
    handling_seconds: float
    """Processor time of a worker for one frame, beside its run and its links."""
    whole_seconds: float
    """The whole model, in one run."""
    operators_sum_seconds: float
    """Its operators one by one, without what a runtime gains by fusing them."""
    memory: Figure
    runtime_bytes: int
    """What the runtime takes before a model."""
    copied: float
    """How many times its weights a loaded model takes; 1 at least."""
    on_chip_bytes: int | None = None
    """What of weights stays in its accelerator's own memory; the others travel there for each
    frame. None: all stay, or that is in what was measured."""
    stream_bytes_per_second: float = 1.0
    """How fast they do."""
    storage: Figure
    watts: Figure
    cost: Price | None
    cloud: bool
    replicas: bool = True
    """Whether it may share a stage; what was not asked may."""
    runtime: str = ""
    """What ran the model; several, parted by ``+``, ran parts of different formats."""
    says_runtime: bool = False
    """Whether a deploy must be told, for the device itself would choose another."""


class LinkFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the way from one device to another."""

    source: str
    target: str
    link: str | None
    latency: Figure
    """One way, what each message costs included."""
    rate: Figure
    cost: Price | None
    jitter: Figure = UNKNOWN
    report: LinkReport | None = None
    """What was measured of it, with frames of several sizes."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """All that a plan of a model depends on."""

    chain: ModelChain
    devices: tuple[DeviceFigures, ...]
    links: tuple[LinkFigures, ...]
    source: str | None
    sink: str | None
    pins: dict[int, str]
    """Blocks that must be on a device, by their place."""
    codecs: frozenset[str] | None = None
    """Those that all devices list; None: nobody was asked."""
    notes: tuple[str, ...] = ()

    @property
    def copied(self) -> float:
        """Return how many times its weights a loaded model takes, at most on any device."""
        return max(device.copied for device in self.devices)

    def device(self, name: str) -> DeviceFigures:
        """Return one device's figures."""
        return next(device for device in self.devices if device.id == name)

    def link(self, source: str, target: str) -> LinkFigures:
        """Return the figures of one way."""
        return next(one for one in self.links if (one.source, one.target) == (source, target))


def setting(
    chain: ModelChain,
    fleet: Fleet,
    profiles: Mapping[str, ModelProfile],
    infos: Mapping[str, Info],
    *,
    pins: Mapping[str, str],
    command: str,
) -> Setting:
    """Return what is planned with.

    Args:
        chain: The model.
        fleet: Completed with what was measured.
        profiles: Of the model, by device.
        infos: What devices say of themselves; links and codecs that they do not list are not used.
        pins: Device by the name of an operator, or of a tensor that it writes.
        command: What measures the model, without its devices.

    Raises:
        ProfileMissingError: Nobody knows how fast a device runs the model.
        PinError: A pin names no operator or no device.
    """
    notes: list[str] = []
    runs = []
    for device in fleet.devices:
        own = profiles.get(device.id)
        named = own.question.runtime if own else chain.runtime
        has = device.runtimes
        if has is not None and not (named in has if own else chain.runs_on(has)):
            notes.append(f"{device.id} does not run {named}, and is left out")
        else:
            runs.append(device.id)
    missing = sorted({fleet.speed(name)[0] for name in runs} - profiles.keys())
    if missing or not runs:
        reason = "no profile of it is kept" if runs else f"no device runs {chain.runtime}"
        to_measure = missing or [device.id for device in fleet.devices]
        raise ProfileMissingError(
            chain.model.name, to_measure, reason, f"{command} --on {','.join(to_measure)}"
        )
    speeds = {name: fleet.speed(name) for name in runs}
    devices = tuple(
        msgspec.structs.replace(
            device_figures(chain, fleet.device(name), profiles[base], base, times),
            replicas=name not in infos or infos[name].replicas,
            says_runtime=_says(chain, profiles[base], infos.get(name)),
        )
        for name, (base, times) in speeds.items()
    )
    ends = {*runs, fleet.source, fleet.sink}
    listed = [link for link in fleet.links if _lists(link, infos, notes)]
    links = tuple(best_links(chain, listed, ends, notes))
    alone = [device.id for device in devices if not device.replicas]
    if alone:
        notes.append(f"{', '.join(alone)}: the agent is too old to share a stage")
    return Setting(
        chain=chain,
        devices=devices,
        links=links,
        source=fleet.source,
        sink=fleet.sink,
        pins=_pinned(chain, pins, runs),
        codecs=_codecs(runs, infos),
        notes=(*chain.notes, *notes),
    )


def device_figures(
    chain: ModelChain, device: Device, profile: ModelProfile, base: str, times: float
) -> DeviceFigures:
    """Return what is known of a device.

    Args:
        chain: The model.
        device: As described, and completed with what was measured.
        profile: Of the model on ``base``.
        base: The device that was measured: itself, or one that it is compared with.
        times: As fast as that one.
    """
    shares = {share.name: share.seconds for share in attribution.operators(profile)}
    seconds = [sum(shares.get(name, 0.0) for name in block.operators) for block in chain.blocks]
    whole = profile.run_seconds / times
    scale = whole / sum(seconds) if sum(seconds) else 0.0
    loaded = sum(part.report.memory.loaded_bytes for part in profile.parts)
    of_run = [part.report.run for part in profile.parts]
    periods = [period for part in profile.parts if (period := _period(part.report)) is not None]
    mean = sum(run.p50 if run.mean is None else run.mean for run in of_run)
    own = base == device.id
    return DeviceFigures(
        id=device.id,
        seconds=tuple(max(one * scale, SHORTEST_SECONDS) for one in seconds),
        seconds_origin=MEASURED if own else BY_HAND,
        seconds_from=base if own else f"{times:g} times as fast as {base}",
        base=base,
        times=times,
        low_share=sum(run.p10 for run in of_run) / profile.run_seconds,
        high_share=sum(run.p90 for run in of_run) / profile.run_seconds,
        mean_share=mean / profile.run_seconds,
        cpu_share=sum(part.report.cpu_seconds for part in profile.parts) / mean,
        cpu_period_seconds=periods[0] if periods else None,
        handling_seconds=max(p.report.handling_cpu_seconds or 0.0 for p in profile.parts) / times,
        spare_core=not periods
        and all(part.report.threads < part.report.cpu_count for part in profile.parts),
        whole_seconds=whole,
        operators_sum_seconds=profile.operator_seconds / times,
        memory=device.memory_bytes,
        runtime_bytes=max(part.report.memory.runtime_bytes for part in profile.parts),
        copied=max(1.0, loaded / profile.weight_bytes) if profile.weight_bytes else 1.0,
        on_chip_bytes=None if own else _on_chip(chain, device),
        stream_bytes_per_second=device.stream_bytes_per_second.value
        or memory.STREAM_BYTES_PER_SECOND,
        storage=device.storage_bytes,
        watts=device.watts,
        cost=device.cost,
        cloud=device.cloud,
        runtime=profile.question.runtime,
    )


def _says(chain: ModelChain, profile: ModelProfile, info: Info | None) -> bool:
    """Whether a device would choose another runtime than the one that was measured."""
    there = info.runtimes if info else ()
    return profile.question.runtime != runtime_choice.best(chain.format, there)


def _on_chip(chain: ModelChain, device: Device) -> int | None:
    """Return what weights may take of a device's Edge TPU; None: it has none, or runs no such."""
    on_chip = device.on_chip_bytes.value
    return None if on_chip is None or chain.format != "tflite" else memory.for_weights(on_chip)


def _period(report: ProfileReport) -> float | None:
    """Return the period of a quota that its threads can use up; None: there is none."""
    limit = report.cpu_limit
    binds = limit is not None and limit.quota_seconds < report.threads * limit.period_seconds
    return limit.period_seconds if limit is not None and binds else None


def _lists(link: Link, infos: Mapping[str, Info], notes: list[str]) -> bool:
    """Whether both ends list a link, as far as they were asked."""
    for end in (link.source, link.target):
        if link.link is not None and end in infos and link.link not in infos[end].links:
            way = f"{link.source}>{link.target}"
            notes.append(f"link {way} by {link.link} is left out: {end} does not list it")
            return False
    return True


def _codecs(devices: Iterable[str], infos: Mapping[str, Info]) -> frozenset[str] | None:
    listed = [frozenset(infos[name].codecs) for name in devices if name in infos]
    return frozenset.intersection(*listed) if listed else None


def best_links(
    chain: ModelChain, links: Iterable[Link], ids: set[str | None], notes: list[str]
) -> Iterable[LinkFigures]:
    """Return the best way of each pair; a typical cut says which is best.

    Args:
        chain: The model.
        links: Several of a pair, perhaps.
        ids: Devices whose links are wanted.
        notes: Hears which are left out, and why.
    """
    sizes = sorted(block.out_bytes for block in chain.blocks)
    typical = sizes[len(sizes) // 2]
    best: dict[tuple[str, str], tuple[float, LinkFigures]] = {}
    for link in links:
        if not {link.source, link.target} <= ids:
            continue
        way = f"{link.source}>{link.target}"
        if link.bytes_per_second.value is None:
            notes.append(
                f"link {way} is left out: its bandwidth is not known (paceline link {link.source}"
                f" {link.target} measures it)"
            )
            continue
        if link.latency_seconds.value is None:
            notes.append(f"link {way}: its latency is not known and counted as none")
        latency = (link.latency_seconds.value or 0.0) + (link.message_seconds.value or 0.0)
        found = LinkFigures(
            source=link.source,
            target=link.target,
            link=link.link,
            latency=Figure(value=latency, origin=link.latency_seconds.origin),
            rate=link.bytes_per_second,
            cost=link.cost,
            jitter=link.jitter_seconds,
            report=link.report,
        )
        seconds = latency + typical / link.bytes_per_second.value
        ends = (link.source, link.target)
        if ends not in best or seconds < best[ends][0]:
            best[ends] = (seconds, found)
    return [found for _, found in best.values()]


def _pinned(chain: ModelChain, pins: Mapping[str, str], devices: list[str]) -> dict[int, str]:
    found: dict[int, str] = {}
    for name, device in pins.items():
        place = chain.places.get(name)
        if place is None:
            near = get_close_matches(name, chain.places, n=3) or list(chain.places)[:3]
            known = ", ".join(f"{one!r:.80}" for one in near)
            raise PinError(
                f"{name}={device}",
                f"no operator is called or writes {name!r:.80} (nearest: {known})",
            )
        if device not in devices:
            raise PinError(f"{name}={device}", f"there is no device {device!r:.80}")
        if found.get(place, device) != device:
            raise PinError(f"{name}={device}", f"it stays together with one on {found[place]}")
        found[place] = device
    return found
