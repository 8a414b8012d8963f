"""What a person wants to know of a device, out of all that its probes read. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from wire.telemetry import Reading

TEMPERATURES: Final = {
    "thermal_celsius": "thermal_limit_celsius",
    "coral_celsius": "coral_limit_celsius",
}
"""A temperature, and what its limit is called."""
WHOLE_BOARD_RAILS: Final = ("VDD_IN", "POM_5V_IN")
"""Jetson's rails that feed all others."""


class WorkerKey(NamedTuple):
    """Which worker of a device a reading is about."""

    pipeline: str
    generation: str
    stage: str


@dataclass(frozen=True, slots=True)
class WorkerReadings:
    """One worker's."""

    private_bytes: float | None = None
    cpu_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class DeviceReadings:
    """The ones that are shown; None: no sensor told."""

    cpu_ratio: float | None = None
    memory_total_bytes: float | None = None
    memory_available_bytes: float | None = None
    disk_free_bytes: float | None = None
    temperature_celsius: float | None = None
    temperature_limit_celsius: float | None = None
    throttled: bool | None = None
    power_watts: float | None = None
    workers: Mapping[WorkerKey, WorkerReadings] = field(default_factory=dict)

    def kept(self) -> dict[str, float]:
        """Return what is kept over time, by reading."""
        found = {
            "cpu_busy_ratio": self.cpu_ratio,
            "memory_available_bytes": self.memory_available_bytes,
            "disk_free_bytes": self.disk_free_bytes,
            "thermal_celsius": self.temperature_celsius,
            "throttled_flag": None if self.throttled is None else float(self.throttled),
            "power_watts": self.power_watts,
        }
        return {name: value for name, value in found.items() if value is not None}


def device_readings(readings: Sequence[Reading]) -> DeviceReadings:
    """Return what ``readings`` tell."""
    first: dict[str, float] = {}
    for reading in readings:
        first.setdefault(reading.name, reading.value)
    temperature, limit = _hottest(readings)
    return DeviceReadings(
        cpu_ratio=first.get("cpu_busy_ratio"),
        memory_total_bytes=first.get("memory_total_bytes"),
        memory_available_bytes=first.get("memory_available_bytes"),
        disk_free_bytes=first.get("disk_free_bytes"),
        temperature_celsius=temperature,
        temperature_limit_celsius=limit,
        throttled=_throttled(readings),
        power_watts=_power(readings),
        workers=_workers(readings),
    )


def _hottest(readings: Iterable[Reading]) -> tuple[float | None, float | None]:
    named = set(TEMPERATURES.values())
    limits = {(r.name, *sorted(r.labels.items())): r.value for r in readings if r.name in named}
    hottest, limit = None, None
    for reading in readings:
        limited = TEMPERATURES.get(reading.name)
        if limited and (hottest is None or reading.value > hottest):
            hottest = reading.value
            limit = limits.get((limited, *sorted(reading.labels.items())))
    return hottest, limit


def _throttled(readings: Iterable[Reading]) -> bool | None:
    now = [
        r.value
        for r in readings
        if r.name == "throttled_flag"
        and r.labels.get("span", "now") == "now"
        and r.labels.get("kind") != "undervoltage"
    ]
    return any(now) if now else None


def _power(readings: Iterable[Reading]) -> float | None:
    rails = {r.labels.get("rail"): r.value for r in readings if r.name == "power_rail_watts"}
    return next((rails[name] for name in WHOLE_BOARD_RAILS if name in rails), None)


def _workers(readings: Iterable[Reading]) -> dict[WorkerKey, WorkerReadings]:
    found: dict[WorkerKey, dict[str, float]] = {}
    for reading in readings:
        if reading.name in {"worker_private_bytes", "worker_cpu_ratio"}:
            labels = [reading.labels.get(k, "") for k in ("pipeline", "generation", "stage")]
            found.setdefault(WorkerKey(*labels), {})[reading.name] = reading.value
    return {
        key: WorkerReadings(told.get("worker_private_bytes"), told.get("worker_cpu_ratio"))
        for key, told in found.items()
    }
