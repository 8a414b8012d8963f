"""What is known of a fleet altogether: as somebody described it, else as it was measured. Pure.

A figure of the file goes before a measured one: whoever writes it down knows why. What neither
tells is unknown.
"""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from fleet.edgetpu.memory import RUNTIME as EDGETPU
from fleet.fleet_file.description import (
    BY_HAND,
    MEASURED,
    UNKNOWN,
    Device,
    Figure,
    Fleet,
    Link,
)
from fleet.profiles import attribution
from fleet.profiles.links import LinkProfile
from fleet.profiles.record import ModelProfile
from wire.messages import Info


def described(devices: Iterable[str]) -> Fleet:
    """Return a fleet of which nothing but the devices' ids is described."""
    return Fleet(devices=tuple(Device(id=device) for device in devices))


def completed(
    fleet: Fleet,
    infos: Mapping[str, Info],
    profiles: Mapping[str, ModelProfile],
    links: Iterable[LinkProfile],
) -> Fleet:
    """Return the fleet with what was measured where nothing is described.

    Args:
        fleet: As described.
        infos: What devices say of themselves, by id.
        profiles: Of one model, by device.
        links: Of the site; those between other devices are left out, and those that the fleet
            describes are only completed.
    """
    devices = tuple(
        _device(device, infos.get(device.id), profiles.get(device.id)) for device in fleet.devices
    )
    return replace(fleet, devices=devices, links=_links(fleet, links))


def operator_seconds(
    fleet: Fleet, device: str, profiles: Mapping[str, ModelProfile]
) -> dict[str, Figure]:
    """Return what each operator of a model takes on a device, by the first tensor that it writes.

    Empty where neither it nor the device that it is compared with was measured. Operators that
    depend on weights alone are not in it: they take no time in a frame.

    Args:
        fleet: As described.
        device: One of it.
        profiles: Of one model, by device.
    """
    base, times = fleet.speed(device)
    profile = profiles.get(base)
    if profile is None:
        return {}
    origin = MEASURED if base == device else BY_HAND
    return {
        share.name: Figure(value=share.seconds / times, origin=origin)
        for share in attribution.operators(profile)
    }


def _device(device: Device, info: Info | None, profile: ModelProfile | None) -> Device:
    reports = [part.report for part in profile.parts] if profile is not None else []
    limits = [report.memory_limit_bytes for report in reports]
    total = info.memory_bytes if info is not None else None
    storage = [report.storage_bytes for report in reports]
    proved = tuple(one.runtime for one in info.runtimes if one.proved) if info else None
    return replace(
        device,
        memory_bytes=_known(device.memory_bytes, _least([*limits, total or None])),
        storage_bytes=_known(device.storage_bytes, _least(storage)),
        on_chip_bytes=_known(device.on_chip_bytes, _on_chip(info)),
        watts=_known(device.watts, _most([report.watts for report in reports])),
        idle_watts=_known(device.idle_watts, _least([report.idle_watts for report in reports])),
        runtimes=device.runtimes if device.runtimes is not None else proved,
    )


def _on_chip(info: Info | None) -> float | None:
    """Return the memory of a device's Edge TPU, as its proof tells; None: it has none."""
    runtimes = info.runtimes if info is not None else ()
    return _least([o.memory_bytes for o in runtimes if o.runtime == EDGETPU and o.proved])


def _links(fleet: Fleet, measured: Iterable[LinkProfile]) -> tuple[Link, ...]:
    ids = {device.id for device in fleet.devices}
    found = {
        (one.question.source, one.question.target, one.question.link): one
        for one in measured
        if {one.question.source, one.question.target} <= ids
    }
    made = []
    for link in fleet.links:
        own = [one for way, one in found.items() if _is_of(link, way)]
        # what is described of whatever carries frames is said of all that were measured
        made += [_link(replace(link, link=one.question.link), one) for one in own] or [link]
        found = {way: one for way, one in found.items() if not _is_of(link, way)}
    made += [_link(Link(source=a, target=b, link=name), one) for (a, b, name), one in found.items()]
    return tuple(made)


def _is_of(link: Link, way: tuple[str, str, str]) -> bool:
    return (link.source, link.target) == way[:2] and link.link in {None, way[2]}


def _link(link: Link, measured: LinkProfile) -> Link:
    return replace(
        link,
        latency_seconds=_known(link.latency_seconds, measured.latency_seconds),
        jitter_seconds=_known(link.jitter_seconds, measured.jitter_seconds),
        bytes_per_second=_known(link.bytes_per_second, measured.bytes_per_second),
        report=measured.report,
    )


def _known(figure: Figure, measured: float | None) -> Figure:
    if figure.value is not None:
        return figure
    return UNKNOWN if measured is None else Figure(value=measured, origin=MEASURED)


def _least(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
