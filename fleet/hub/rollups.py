"""What came in, added up in windows of equal length: for charts, and to be kept. Pure.

Amounts are added, histograms bucket by bucket; a percentile is taken of a whole window or of
several together, never of percentiles.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from fleet.hub.account_book import Progress
from fleet.hub.durations import Durations, added
from fleet.hub.stage_flow import PARTS, Flow, together
from wire.errors import MessageError

STEP_SECONDS: Final = 10
"""Of what is kept."""
FINE_STEP_SECONDS: Final = 2
"""Of what is drawn of the last minutes."""
_MOST: Final = (1 << 63) - 1


@dataclass(slots=True)
class PipelineWindow:
    """What became of a pipeline's frames in one window."""

    submitted: int = 0
    results: int = 0
    errors: int = 0
    drops: int = 0
    latency: Durations = field(default_factory=Durations)

    def add(self, progress: Progress) -> None:
        """Add what came."""
        self.submitted += progress.submitted
        self.results += progress.results
        self.errors += progress.errors
        self.drops += progress.drops
        self.latency = added((self.latency, progress.latency))

    def merge(self, other: "PipelineWindow") -> None:
        """Add a whole window."""
        self.add(Progress(other.submitted, other.results, other.errors, other.drops, other.latency))

    def encoded(self) -> bytes:
        """Return it as it is kept."""
        amounts = map(_bounded, (self.submitted, self.results, self.errors, self.drops))
        return msgspec.msgpack.encode([*amounts, _plain(self.latency)])

    @classmethod
    def decoded(cls, data: bytes) -> "PipelineWindow":
        """Return what was kept.

        Raises:
            MessageError: It is none.
        """
        kind = tuple[int, int, int, int, _Plain]
        submitted, results, errors, drops, latency = _decoded(data, kind)
        return cls(submitted, results, errors, drops, _durations(latency))


@dataclass(slots=True)
class StageWindow:
    """What went through a stage in one window."""

    flow: Flow = field(default_factory=Flow)

    def add(self, flow: Flow) -> None:
        """Add what went through."""
        self.flow = together((self.flow, flow))

    def encoded(self) -> bytes:
        """Return it as it is kept."""
        flow = self.flow
        amounts = (flow.received, flow.run, flow.received_bytes, flow.sent, flow.sent_bytes)
        parts = {part: _plain(flow.part(part)) for part in PARTS}
        return msgspec.msgpack.encode([flow.seconds, *map(_bounded, amounts), parts])

    @classmethod
    def decoded(cls, data: bytes) -> "StageWindow":
        """Return what was kept.

        Raises:
            MessageError: It is none.
        """
        kind = tuple[float, int, int, int, int, int, dict[str, _Plain]]
        seconds, received, run, received_bytes, sent, sent_bytes, parts = _decoded(data, kind)
        durations = {part: _durations(told) for part, told in parts.items()}
        return cls(Flow(seconds, received, run, received_bytes, sent, sent_bytes, durations))


@dataclass(slots=True)
class DeviceWindow:
    """A device's readings in one window."""

    sums: dict[str, float]
    counts: dict[str, int]

    @classmethod
    def empty(cls) -> "DeviceWindow":
        """Return one without readings."""
        return cls({}, {})

    def add(self, readings: Mapping[str, float]) -> None:
        """Add one message's readings."""
        for name, value in readings.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def merge(self, other: "DeviceWindow") -> None:
        """Add a whole window."""
        for name, total in other.sums.items():
            self.sums[name] = self.sums.get(name, 0.0) + total
            self.counts[name] = self.counts.get(name, 0) + other.counts[name]

    def means(self) -> dict[str, float]:
        """Return each reading's mean."""
        return {name: total / self.counts[name] for name, total in self.sums.items()}

    def encoded(self) -> bytes:
        """Return it as it is kept."""
        return msgspec.msgpack.encode({n: [self.sums[n], self.counts[n]] for n in self.sums})

    @classmethod
    def decoded(cls, data: bytes) -> "DeviceWindow":
        """Return what was kept.

        Raises:
            MessageError: It is none.
        """
        row = _decoded(data, dict[str, tuple[float, int]])
        kept = {name: told for name, told in row.items() if told[1] > 0}
        return cls({n: told[0] for n, told in kept.items()}, {n: t[1] for n, t in kept.items()})


def window_end(unix_seconds: float, step_seconds: int) -> int:
    """Return the end of the window that an instant is in."""
    return (int(unix_seconds) // step_seconds + 1) * step_seconds


_Plain = tuple[int, dict[int, int]]


def _plain(durations: Durations) -> _Plain:
    counts = {bucket: _bounded(count) for bucket, count in durations.counts.items()}
    return _bounded(durations.sum_ns), counts


def _bounded(amount: int) -> int:
    """Return what fits into 64 bits: many strangers' numbers together may not."""
    return min(amount, _MOST)


def _durations(plain: _Plain) -> Durations:
    return Durations(Counter(plain[1]), plain[0])


def _decoded(data: bytes, kind: Any) -> Any:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise MessageError("roll-up", str(error)) from error
