"""What shall be otherwise than planned, as people write it: `--set` and `--kill`. Pure.

link:a>b=20Mbit,8ms     also one of both; a third is jitter: link:a>b=20Mbit,8ms,2ms; a<>b both ways
a.speed=0.5             half as fast as planned
a.spread=1.3            in 10 % of all frames it takes more than 1.3 times the median
a.receive=0.2ms, a.send=0.2ms   what a frame costs of the device's compute beside the stage
a@10s                   dies after 10 s
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from fleet.fleet_file.quantities import quantity
from fleet.simulator.build import ways
from fleet.simulator.errors import BadChangeError
from fleet.simulator.pipeline import MOST_JITTER, Kill, Pipeline, Worker

LATEST_KILL_SECONDS: Final = 3600.0
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_LINK: Final = "link:"
_BARE: Final = re.compile(r"[0-9.]*")


def changed(pipeline: Pipeline, change: str) -> Pipeline:
    """Return a pipeline with one change, such as ``a.speed=0.5``.

    Raises:
        BadChangeError: It is not understood, or changes nothing that this pipeline has.
    """
    subject, equals, value = change.rpartition("=")
    if not equals:
        raise BadChangeError(change, "says no value; expected such as a.speed=0.5")
    if subject.startswith(_LINK):
        return _with_link(pipeline, change, subject.removeprefix(_LINK), value)
    device, dot, key = subject.rpartition(".")
    if not dot:
        raise BadChangeError(change, "expected link:a>b=20Mbit,8ms or DEVICE.speed=0.5")
    if key not in _KEYS:
        raise BadChangeError.unknown(change, "key", key, list(_KEYS))
    _check_runs(pipeline, change, device)
    alter = _KEYS[key]

    def altered(worker: Worker) -> Worker:
        return alter(worker, value, change) if worker.device == device else worker

    return msgspec.structs.replace(
        pipeline,
        stages=tuple(
            msgspec.structs.replace(stage, workers=tuple(map(altered, stage.workers)))
            for stage in pipeline.stages
        ),
    )


def kills(pipeline: Pipeline, texts: Sequence[str]) -> tuple[Kill, ...]:
    """Return who dies when, earliest first, from such as ``a@10s``.

    Raises:
        BadChangeError: One is not understood, is not there, or dies twice.
    """
    found: dict[str, Kill] = {}
    for text in texts:
        device, at, when = text.rpartition("@")
        seconds = quantity("seconds", when, zero=True) if at else None
        if seconds is None or seconds > LATEST_KILL_SECONDS:
            raise BadChangeError(text, f"expected DEVICE@10s, at most {LATEST_KILL_SECONDS:g} s")
        _check_runs(pipeline, text, device)
        if device in (pipeline.source, pipeline.sink):
            raise BadChangeError(text, "is where the client is: nothing would be left to tell")
        if device in found:
            raise BadChangeError(text, "dies twice")
        found[device] = Kill(device, seconds)
    return tuple(sorted(found.values(), key=lambda kill: kill.at_seconds))


def _check_runs(pipeline: Pipeline, change: str, device: str) -> None:
    devices = [worker.device for stage in pipeline.stages for worker in stage.workers]
    if device not in devices:
        raise BadChangeError.unknown(change, "stage on a device", device, devices)


def _with_link(pipeline: Pipeline, change: str, ends: str, value: str) -> Pipeline:
    named: dict[str, list[tuple[str, str]]] = {}
    used = list(dict.fromkeys(ways(pipeline)))
    for here, there in used:
        for a, b in ((here, there), (there, here)):  # grants take the way back
            named[f"{a}>{b}"] = [(a, b)]
            named[f"{a}<>{b}"] = [(a, b), (b, a)]
    if not named:
        raise BadChangeError(change, "this plan uses no link")
    if ends not in named:
        known = [f"{here}>{there}" for here, there in used]
        raise BadChangeError.unknown(change, "link in use", ends, known)
    figures = _figures(change, value)
    links = dict(pipeline.links)
    for a, b in named[ends]:
        # of a way back that nobody described, that of the way there is known
        links[a, b] = msgspec.structs.replace(links.get((a, b)) or links[b, a], **figures)
        if links[a, b].jitter_seconds > MOST_JITTER * links[a, b].latency_seconds:
            raise BadChangeError(change, f"jitter may be at most {MOST_JITTER} times the latency")
    return msgspec.structs.replace(pipeline, links=links)


def _figures(change: str, value: str) -> dict[str, float]:
    """Return a link's fields from such as ``20Mbit,8ms,2ms``: one rate, latency, then jitter."""
    found: dict[str, float] = {}
    for part in map(str.strip, value.split(",")):
        unit = _BARE.sub("", part, count=1)
        rate = quantity("rate", part) if unit else None
        seconds = quantity("seconds", part, zero=True) if unit else None
        if rate is not None and "bytes_per_second" not in found:
            found["bytes_per_second"] = rate
        elif seconds is not None and "latency_seconds" not in found:
            found["latency_seconds"] = seconds
        elif seconds is not None and "jitter_seconds" not in found:
            found["jitter_seconds"] = seconds
        else:
            raise BadChangeError(
                change,
                f"{part!r:.80} is not understood; expected a rate, a latency and perhaps"
                " a jitter with their units, such as 20Mbit,8ms,2ms",
            )
    return found


def _number(value: str, change: str, least: float, most: float) -> float:
    found = float(value) if _NUMBER.fullmatch(value) and len(value) < 40 else math.nan
    if not least <= found <= most:
        raise BadChangeError(change, f"expected a number from {least:g} to {most:g}")
    return found


def _speed(worker: Worker, value: str, change: str) -> Worker:
    speed = _number(value, change, 1e-3, 1e3)
    return msgspec.structs.replace(worker, run_seconds=worker.run_seconds / speed)


def _spread(worker: Worker, value: str, change: str) -> Worker:
    return msgspec.structs.replace(worker, spread=_number(value, change, 1, 1 + MOST_JITTER))


def _seconds(field: str) -> Callable[[Worker, str, str], Worker]:
    def alter(worker: Worker, value: str, change: str) -> Worker:
        seconds = quantity("seconds", value, zero=True)
        if seconds is None:
            raise BadChangeError(change, "expected a time, such as 0.2ms")
        return msgspec.structs.replace(worker, **{field: seconds})

    return alter


_KEYS: Final[dict[str, Callable[[Worker, str, str], Worker]]] = {
    "speed": _speed,
    "spread": _spread,
    "receive": _seconds("receive_seconds"),
    "send": _seconds("send_seconds"),
}
