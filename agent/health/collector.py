"""What the probes said: read one at a time, timed, counted, and remembered until it is told.

None can break another: one that raises is counted, and logged when it begins to fail and when it
recovers. `agent.health.sampling` decides when each is read, and in which thread.
"""

import inspect
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from agent.probes import Probe, Reading
from wire import plugins

PACKAGE: Final = "agent.probes"
MAX_READINGS: Final = 192
"""Of one probe in one read; the rest is left out."""
MAX_LENGTH: Final = 64
"""Of a name, and of a label's value."""
MAX_LABELS: Final = 4
MAX_KEY_LENGTH: Final = 24
SLOW_SECONDS: Final = 0.01
"""A read that took so long is told: ``probe_seconds``."""

Series = tuple[str, tuple[tuple[str, str], ...]]

log = structlog.get_logger(__name__)


def probes(given: Mapping[str, Any]) -> dict[str, Probe]:
    """Return every probe there is a file for, by name; one that cannot be made is left out.

    Args:
        given: What a probe is given where its constructor names it: see `agent.probes`.
    """
    made: dict[str, Probe] = {}
    for name in plugins.names(PACKAGE):
        try:
            plugin = plugins.load(PACKAGE, name)
            wanted = inspect.signature(plugin).parameters.keys() & given.keys()
            made[name] = plugin(**{key: given[key] for key in wanted})
        except Exception as error:  # noqa: BLE001 - a probe's file may hold anything
            log.warning("probe.left_out", probe=name, reason=repr(error)[:200])
    return made


@dataclass(slots=True)
class _Mean:
    """The samples of one ratio since the last report."""

    sum: float = 0.0
    count: int = 0


@dataclass(slots=True)
class Health:
    """Reads probes and remembers. Any thread may call, one at a time for each probe."""

    probes: Mapping[str, Probe]
    clock_seconds: Callable[[], float] = time.perf_counter
    failures: dict[str, int] = field(default_factory=dict, init=False)
    """How often each probe has raised, or was left alone, since the agent started."""
    _newest: dict[str, list[Reading]] = field(default_factory=dict, init=False)
    _ratios: dict[Series, _Mean] = field(default_factory=dict, init=False)
    _seconds: dict[str, float] = field(default_factory=dict, init=False)
    _failing: set[str] = field(default_factory=set, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def sample(self) -> None:
        """Read every probe once."""
        for name in self.probes:
            self.read(name)

    def read(self, name: str) -> None:
        """Read one probe; what it said before is forgotten, but for the mean of a ratio."""
        began = self.clock_seconds()
        try:
            readings = list(itertools.islice(self.probes[name].read(), MAX_READINGS))
        except Exception as error:  # noqa: BLE001 - whatever a driver does, the others are read
            self.failed(name, repr(error)[:200])
            return
        with self._lock:
            self._seconds[name] = self.clock_seconds() - began
            self._newest[name] = [_bounded(each) for each in readings if math.isfinite(each.value)]
            for reading in self._newest[name]:
                if reading.name.endswith("_ratio"):
                    mean = self._ratios.setdefault((reading.name, reading.labels), _Mean())
                    mean.sum += reading.value
                    mean.count += 1
            recovered = name in self._failing
            self._failing.discard(name)
        if recovered:
            log.info("probe.recovered", probe=name)

    def failed(self, name: str, reason: str) -> None:
        """Count a read that gave nothing."""
        with self._lock:
            self.failures[name] = self.failures.get(name, 0) + 1
            self._newest.pop(name, None)
            entered = name not in self._failing
            self._failing.add(name)
        if entered:
            log.warning("probe.failed", probe=name, reason=reason)

    def current(self) -> tuple[Reading, ...]:
        """Return the newest readings of all probes."""
        with self._lock:
            return tuple(itertools.chain.from_iterable(self._newest.values()))

    def report(self) -> tuple[Reading, ...]:
        """Return the newest readings of all probes; a ratio as its mean since the last report.

        To these come ``probe_seconds`` of probes that were slow and ``probe_failures_total`` of
        those that have failed.
        """
        with self._lock:
            told = (*self._means(), *self._about_probes())
            self._ratios.clear()
        return told

    def _means(self) -> Iterator[Reading]:
        for reading in itertools.chain.from_iterable(self._newest.values()):
            mean = self._ratios.get((reading.name, reading.labels))
            value = mean.sum / mean.count if mean else reading.value
            yield Reading(reading.name, value, reading.labels)

    def _about_probes(self) -> Iterator[Reading]:
        for name, seconds in self._seconds.items():
            if seconds >= SLOW_SECONDS:
                yield Reading("probe_seconds", seconds, (("probe", name),))
        for name, failures in self.failures.items():
            yield Reading("probe_failures_total", failures, (("probe", name),))


def _bounded(reading: Reading) -> Reading:
    """Return the reading as it may travel: short and printable, whatever a driver says."""
    labels = tuple(
        (key[:MAX_KEY_LENGTH], _plain(value[:MAX_LENGTH]))
        for key, value in reading.labels[:MAX_LABELS]
    )
    return Reading(reading.name[:MAX_LENGTH], float(reading.value), labels)


def _plain(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
