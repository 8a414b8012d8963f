"""What is wrong with a device, told from its readings. Pure: no I/O, no clock.

Each finding has a stable code and a sentence that says what to do. An *error* makes the device
unhealthy, and telemetry is sent every second while it holds; a *warning* is told and no more, so
that what nobody will repair today does not cost for ever.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from agent.probes import Reading

HOLD_SECONDS: Final = 60.0
"""A problem of a sensor is over when it was not seen for so long: what flickers is one problem."""
HOT_CELSIUS: Final = 90.0
HOT_BELOW_LIMIT_CELSIUS: Final = 10.0
CRITICAL_BELOW_LIMIT_CELSIUS: Final = 5.0
WORN_RATIO: Final = 0.8
SLOW_USB_BITS_PER_SECOND: Final = 1e9
_MIB: Final = 1 << 20

Severity = Literal["error", "warning"]


class Finding(NamedTuple):
    """Something that is wrong now."""

    code: str
    message: str
    severity: Severity = "error"


@dataclass(frozen=True, slots=True)
class Standing:
    """A problem that holds."""

    finding: Finding
    since_unix_ns: int
    seen_seconds: float
    """When it was seen last, by a clock that only goes on."""


def found(readings: Sequence[Reading]) -> tuple[Finding, ...]:
    """Return what is wrong, at most one finding of each code: the worst."""
    by_name: dict[str, list[Reading]] = {}
    for reading in readings:
        by_name.setdefault(reading.name, []).append(reading)
    worst: dict[str, Finding] = {}
    for rule in _RULES:
        for finding in rule(by_name):
            before = worst.get(finding.code)
            if before is None or (before.severity, finding.severity) == ("warning", "error"):
                worst[finding.code] = finding
    return tuple(worst.values())


def standing(
    before: Mapping[str, Standing],
    now: Iterable[Finding],
    *,
    clock_seconds: float,
    unix_ns: int,
    hold_seconds: float = HOLD_SECONDS,
) -> dict[str, Standing]:
    """Return the problems that hold, by code, after a look at ``now``.

    One that is seen keeps since when; one that is not is over after ``hold_seconds``.
    """
    after = {
        code: problem
        for code, problem in before.items()
        if clock_seconds - problem.seen_seconds < hold_seconds
    }
    for finding in now:
        known = after.get(finding.code)
        since = known.since_unix_ns if known else unix_ns
        after[finding.code] = Standing(finding, since, clock_seconds)
    return after


_ByName = Mapping[str, Sequence[Reading]]


def _throttled(readings: _ByName) -> Iterator[Finding]:
    for reading in readings.get("throttled_flag", ()):
        kind, now = reading.label("kind"), reading.label("span") == "now"
        if not reading.value:
            continue
        severity: Severity = "error" if now else "warning"
        if kind == "undervoltage":
            text = "the supply voltage is too low" if now else "the supply voltage was too low"
            advice = "use the board's own power supply and a short, thick cable"
            yield Finding("device.undervoltage", f"{text}; {advice}", severity)
        else:
            text = "the processor is slowed down" if now else "the processor was slowed down"
            what = kind.replace("_", " ")
            advice = "improve its cooling, or give it less to do"
            yield Finding("device.throttled", f"{text} ({what}); {advice}", severity)
    for reading in readings.get("cooling_ratio", ()):
        cooler = reading.label("cooler")
        if reading.value and any(word in cooler.lower() for word in ("cpufreq", "processor")):
            text = f"the kernel slows the processor down to cool it ({cooler})"
            yield Finding("device.throttled", f"{text}; improve its cooling", "warning")


def _hot(readings: _ByName) -> Iterator[Finding]:
    limits = {
        reading.labels: reading.value for reading in readings.get("thermal_limit_celsius", ())
    }
    for reading in readings.get("thermal_celsius", ()):
        limit = limits.get(reading.labels)
        warm = HOT_CELSIUS if limit is None else min(HOT_CELSIUS, limit - HOT_BELOW_LIMIT_CELSIUS)
        if reading.value >= warm:
            near = limit is not None and reading.value >= limit - CRITICAL_BELOW_LIMIT_CELSIUS
            of = "" if limit is None else f" of {limit:.0f}"
            text = f"{reading.label('zone')} is at {reading.value:.0f}{of} degrees Celsius"
            advice = "improve the cooling, or give the device less to do"
            yield Finding("device.hot", f"{text}; {advice}", "error" if near else "warning")
    yield from _hot_coral(readings)


def _hot_coral(readings: _ByName) -> Iterator[Finding]:
    halved, slowest = (
        {reading.labels: reading.value for reading in readings.get(f"coral_{name}_celsius", ())}
        for name in ("limit", "slowest")
    )
    for reading in readings.get("coral_celsius", ()):
        if reading.value >= halved.get(reading.labels, HOT_CELSIUS):
            text = f"{reading.label('device')} is at {reading.value:.0f} degrees Celsius"
            near = reading.value >= slowest.get(reading.labels, float("inf"))
            how = "has an eighth of its clock left" if near else "slows down"
            severity: Severity = "error" if near else "warning"
            yield Finding("device.hot", f"{text} and {how}; improve its cooling", severity)


def _disk_low(readings: _ByName) -> Iterator[Finding]:
    yield from _low(
        readings,
        ("disk_free_bytes", "disk_total_bytes"),
        (64 * _MIB, 512 * _MIB),
        "device.disk_low",
        "the disk of the state folder is nearly full ({free:.0f} of {total:.0f} MiB are free);"
        " remove files or logs, or set limits.store_bytes",
    )


def _memory_low(readings: _ByName) -> Iterator[Finding]:
    yield from _low(
        readings,
        ("memory_available_bytes", "memory_total_bytes"),
        (32 * _MIB, 96 * _MIB),
        "device.memory_low",
        "memory is short ({free:.0f} of {total:.0f} MiB are available); deploy less to this"
        " device, or set limits.worker_memory_bytes",
    )


def _low(
    readings: _ByName,
    names: tuple[str, str],
    floors: tuple[int, int],
    code: str,
    text: str,
) -> Iterator[Finding]:
    """Find what is below 2 or 5 per cent of all, or below a floor (error, warning)."""
    (free,), (total,) = (readings.get(name, (None,))[:1] for name in names)
    if free is None or total is None:
        return
    message = text.format(free=free.value / _MIB, total=total.value / _MIB)
    # a floor is for large devices: of a small one it is never more than a tenth, or a fifth
    levels: tuple[tuple[Severity, float, float], ...] = (("error", 50, 10), ("warning", 20, 5))
    for (severity, part, small), floor in zip(levels, floors, strict=True):
        if free.value < max(total.value / part, min(floor, total.value / small)):
            yield Finding(code, message, severity)


def _disk_worn(readings: _ByName) -> Iterator[Finding]:
    for name, what in (("disk_life_used_ratio", "life"), ("disk_spare_used_ratio", "spare blocks")):
        for reading in readings.get(name, ()):
            if reading.value >= WORN_RATIO:
                text = f"{reading.label('disk')} has used {reading.value:.0%} of its {what}"
                advice = "replace it before it turns read-only"
                yield Finding("device.disk_worn", f"{text}; {advice}", "warning")


def _clock(readings: _ByName) -> Iterator[Finding]:
    for name, bad, text in (
        ("clock_impossible_flag", 1, "the clock shows a time before this agent was installed"),
        ("clock_synchronised_flag", 0, "nothing keeps the clock right"),
    ):
        for reading in readings.get(name, ()):
            if reading.value == bad:
                advice = "turn on systemd-timesyncd or chrony, and let it reach a time server"
                yield Finding("device.clock_unsynchronised", f"{text}; {advice}", "warning")


def _coral(readings: _ByName) -> Iterator[Finding]:
    for reading in readings.get("coral_link_bits_per_second", ()):
        if reading.value < SLOW_USB_BITS_PER_SECOND:
            text = (
                f"the Coral at {reading.label('device')} runs at {reading.value / 1e6:.0f} Mbit/s"
            )
            advice = "put it into a USB 3 port (blue), with its own cable"
            yield Finding("device.coral_slow_usb", f"{text}; {advice}", "warning")
    for reading in readings.get("coral_alive_flag", ()):
        if not reading.value:
            text = f"the driver of {reading.label('device')} says that it does not work"
            yield Finding("device.coral_dead", f"{text}; see dmesg, switch the device off and on")


_RULES: Final[tuple[Callable[[_ByName], Iterator[Finding]], ...]] = (
    *(_throttled, _hot, _disk_low, _memory_low),
    *(_disk_worn, _clock, _coral),
)
