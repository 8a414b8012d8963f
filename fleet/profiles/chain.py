"""A planner's problem from what was measured and described: a model's operators in a row. Pure.

Operators between two places where the model can be cut are one operator of the chain. Its time on a
device is what its operators take of the whole there, so across a cut it is an estimate: segments
are measured before a plan is believed (docs/profiles.md).
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final

from fleet.fleet_file import completing
from fleet.fleet_file import description as described
from fleet.fleet_file.description import Fleet
from fleet.planner.problem import Device, Link, Op, Problem
from fleet.profiles.record import ModelProfile
from fleet.survey import Along, ModelSurvey

LEAST_SECONDS: Final = 1e-9
"""What nothing took is as if it took so little: a planner wants times above 0."""
_HOURS: Final = {"hour": 1.0, "day": 24.0, "month": 730.0}


def problem(survey: ModelSurvey, fleet: Fleet, profiles: Mapping[str, ModelProfile]) -> Problem:
    """Return the problem of placing a model on a fleet.

    Args:
        survey: Of the model, for the sizes that the profiles were measured with.
        fleet: Completed by what was measured; see `fleet.fleet_file.completing`.
        profiles: Of the model, by device.
    """
    along = survey.along
    seconds = {
        device.id: {
            name: figure.value or 0.0
            for name, figure in completing.operator_seconds(fleet, device.id, profiles).items()
        }
        for device in fleet.devices
    }
    return Problem(
        ops=tuple(_ops(along, seconds, _copied(profiles))),
        devices=tuple(_device(device, profiles.get(device.id)) for device in fleet.devices),
        links=tuple(_links(fleet)),
        source=fleet.source,
        sink=fleet.sink,
        input_bytes=along.crossing_bytes[0],
        output_bytes=along.crossing_bytes[-1],
        cut_space=survey.cut_space,
    )


def _ops(along: Along, seconds: Mapping[str, Mapping[str, float]], copied: float) -> Iterator[Op]:
    """Yield what is between places to cut."""
    count = len(along.writes)
    ends = [0, *(place for place in range(1, count) if along.cuttable[place]), count]
    for first, last in pairwise(ends):
        inside = range(first, last)
        yield Op(
            name=along.writes[last - 1],
            seconds={
                device: max(LEAST_SECONDS, sum(times.get(along.writes[i], 0.0) for i in inside))
                for device, times in seconds.items()
                if times
            },
            weight_bytes=round(copied * sum(along.weight_bytes[i] for i in inside)),
            activation_bytes=max(
                along.crossing_bytes[i] + along.crossing_bytes[i + 1] for i in inside
            ),
            out_bytes=along.crossing_bytes[last],
        )


def _copied(profiles: Mapping[str, ModelProfile]) -> float:
    """Return how many times its weights a loaded model takes, at most anywhere; 1 at least."""
    ratios = [
        sum(part.report.memory.loaded_bytes for part in profile.parts) / profile.weight_bytes
        for profile in profiles.values()
        if profile.weight_bytes
    ]
    return max([1.0, *ratios])


def _device(device: described.Device, profile: ModelProfile | None) -> Device:
    """Return a device; a runtime's own memory is not for weights."""
    parts = profile.parts if profile is not None else ()
    runtime_bytes = max((part.report.memory.runtime_bytes for part in parts), default=0)
    memory = device.memory_bytes.value
    storage = device.storage_bytes.value
    currency, _, paid_for = (device.cost.unit if device.cost else "").partition("/")
    hours = _HOURS.get(paid_for)
    return Device(
        id=device.id,
        memory_bytes=None if memory is None else max(1, int(memory) - runtime_bytes),
        storage_bytes=None if storage is None else int(storage),
        watts=device.watts.value,
        cost=device.cost.amount / hours if device.cost and hours else None,
        cost_unit=currency if hours else "",
    )


def _links(fleet: Fleet) -> Iterator[Link]:
    """Yield the best link of each pair of which latency and rate are known."""
    best: dict[tuple[str, str], described.Link] = {}
    for link in fleet.links:
        known = None not in {link.latency_seconds.value, link.bytes_per_second.value}
        way = (link.source, link.target)
        if known and (way not in best or _rate(link) > _rate(best[way])):
            best[way] = link
    for (source, target), link in best.items():
        yield Link(
            from_=source,
            to=target,
            latency_seconds=(link.latency_seconds.value or 0.0)
            + (link.message_seconds.value or 0.0),
            bytes_per_second=_rate(link),
        )


def _rate(link: described.Link) -> float:
    return link.bytes_per_second.value or 0.0
