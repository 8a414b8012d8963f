"""The device's health: every probe sampled, and what they said since it was last told.

Each probe is timed, and none can break another: one that raises is counted, and logged when it
begins to fail and when it recovers.
"""

import inspect
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from agent.probes import Probe, Reading
from wire import plugins

PACKAGE: Final = "agent.probes"
MAX_READINGS: Final = 64
"""Of one probe in one sample; the rest is left out."""
MAX_LABEL_LENGTH: Final = 64

Series = tuple[str, tuple[tuple[str, str], ...]]

log = structlog.get_logger(__name__)


def probes(state_folder: Path) -> dict[str, Probe]:
    """Return every probe there is a file for, by name; one that cannot be made is left out."""
    made: dict[str, Probe] = {}
    for name in plugins.names(PACKAGE):
        try:
            plugin = plugins.load(PACKAGE, name)
            takes_folder = "state_folder" in inspect.signature(plugin).parameters
            made[name] = plugin(state_folder=state_folder) if takes_folder else plugin()
        except Exception as error:  # noqa: BLE001 - a probe's file may hold anything
            log.warning("probe.left_out", probe=name, reason=repr(error)[:200])
    return made


@dataclass(slots=True)
class _Window:
    """The values of one series since the last report."""

    last: float
    sum: float
    count: int


@dataclass(slots=True)
class Health:
    """Samples probes and remembers until it is told. Used from one thread."""

    probes: Mapping[str, Probe]
    clock_seconds: Callable[[], float] = time.perf_counter
    failures: dict[str, int] = field(default_factory=dict, init=False)
    """How often each probe has raised since the agent started."""
    _windows: dict[Series, _Window] = field(default_factory=dict, init=False)
    _seconds: dict[str, float] = field(default_factory=dict, init=False)
    _failing: set[str] = field(default_factory=set, init=False)

    def sample(self) -> None:
        """Read every probe once."""
        for name, probe in self.probes.items():
            began = self.clock_seconds()
            readings = self._read(name, probe)
            self._seconds[name] = self.clock_seconds() - began
            for reading in readings:
                self._remember(reading)

    def report(self) -> tuple[Reading, ...]:
        """Return what was sampled since the last report, and forget it.

        A ratio is the mean of its samples, everything else the newest one. To these come
        ``probe_seconds`` of each probe's newest read, and ``probe_failures_total``.
        """
        told = tuple(itertools.chain(self._series(), self._probes()))
        self._windows.clear()
        return told

    def _read(self, name: str, probe: Probe) -> list[Reading]:
        try:
            readings = list(itertools.islice(probe.read(), MAX_READINGS))
        except Exception as error:  # noqa: BLE001 - whatever a driver does, the others are read
            self.failures[name] = self.failures.get(name, 0) + 1
            if name not in self._failing:
                self._failing.add(name)
                log.warning("probe.failed", probe=name, reason=repr(error)[:200])
            return []
        if name in self._failing:
            self._failing.discard(name)
            log.info("probe.recovered", probe=name)
        return readings

    def _remember(self, reading: Reading) -> None:
        if not math.isfinite(reading.value):
            return
        labels = tuple((k, v[:MAX_LABEL_LENGTH]) for k, v in reading.labels)
        window = self._windows.setdefault((reading.name, labels), _Window(0.0, 0.0, 0))
        window.last = reading.value
        window.sum += reading.value
        window.count += 1

    def _series(self) -> Iterator[Reading]:
        for (name, labels), window in self._windows.items():
            mean = name.endswith("_ratio")
            yield Reading(name, window.sum / window.count if mean else window.last, labels)

    def _probes(self) -> Iterator[Reading]:
        for name, seconds in self._seconds.items():
            yield Reading("probe_seconds", seconds, (("probe", name),))
        for name in self.probes:
            failures = self.failures.get(name, 0)
            yield Reading("probe_failures_total", failures, (("probe", name),))


def as_plain(reading: Reading) -> dict[str, Any]:
    """Return a reading as the fields of `wire.messages.Reading`."""
    return {"name": reading.name, "value": float(reading.value), "labels": dict(reading.labels)}
