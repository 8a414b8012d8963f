"""What goes through a stage: a worker's growing counts, taken apart by when they came. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from fleet.hub.durations import Durations, added
from fleet.hub.recent import Recent
from fleet.hub.views import WINDOW_SECONDS
from wire.telemetry import StageLatency

PARTS: Final = ("queue", "decode", "run", "encode", "send")
BUSY_PARTS: Final = ("decode", "run", "encode", "send")
"""What is done with a frame; while it waits nothing is. What leaves may do so beside a run."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What went through a stage in some time."""

    seconds: float = 0.0
    """How long that was."""
    received: int = 0
    run: int = 0
    received_bytes: int = 0
    sent: int = 0
    sent_bytes: int = 0
    durations: dict[str, Durations] = field(default_factory=dict)
    """By `PARTS`."""

    @property
    def busy_seconds(self) -> float:
        """How long frames were worked at, those that left while another ran beside that one."""
        parts = (self.durations[part] for part in BUSY_PARTS if part in self.durations)
        return sum(part.sum_ns for part in parts) / 1e9

    def part(self, name: str) -> Durations:
        """Return the durations of one part."""
        return self.durations.get(name, Durations())


def together(flows: Iterable[Flow]) -> Flow:
    """Return several in one."""
    all_ = list(flows)
    return Flow(
        seconds=sum(flow.seconds for flow in all_),
        received=sum(flow.received for flow in all_),
        run=sum(flow.run for flow in all_),
        received_bytes=sum(flow.received_bytes for flow in all_),
        sent=sum(flow.sent for flow in all_),
        sent_bytes=sum(flow.sent_bytes for flow in all_),
        durations={part: added(flow.part(part) for flow in all_) for part in PARTS},
    )


class StageFlow:
    """One stage of one generation on one device, over the workers that serve it in turn."""

    def __init__(self) -> None:
        self.newest: StageLatency | None = None
        self._total = Flow()
        self._at = 0.0
        self._recent: Recent[Flow] = Recent(WINDOW_SECONDS)

    def take(self, told: StageLatency, now: float) -> Flow | None:
        """Take what a worker has counted; returns what came since, None: that is not known.

        Of a worker that served before it was first heard of, only what comes from then on counts;
        what came over a long silence tells nothing of how fast frames go now.

        Raises:
            MessageError: A histogram is none.
        """
        total = _total(told)
        before, began = self._total, self._at
        newest, self.newest = self.newest, told
        self._total, self._at = total, now
        if newest is None:
            return None
        if newest.instance != told.instance:
            before = Flow()  # a new worker: all that it counts came since
        elif not _holds(total, before):
            self.newest, self._total, self._at = newest, before, began  # an older word, come late
            return None
        flow = _since(total, before, now - began)
        if flow.seconds <= WINDOW_SECONDS:
            self._recent.add(now, flow)
        return flow

    def recent(self, now: float) -> Flow | None:
        """Return what went through lately; None: nothing is known."""
        flows = list(self._recent.within(now))
        return together(flows) if flows else None


def _total(told: StageLatency) -> Flow:
    counts = told.counts
    return Flow(
        received=counts.received,
        run=counts.run,
        received_bytes=counts.received_bytes,
        sent=counts.sent,
        sent_bytes=counts.sent_bytes,
        durations={part: Durations.from_message(told.histograms.get(part, {})) for part in PARTS},
    )


def _numbers(flow: Flow) -> tuple[int, ...]:
    return (flow.received, flow.run, flow.received_bytes, flow.sent, flow.sent_bytes)


def _holds(total: Flow, before: Flow) -> bool:
    grown = all(b >= a for a, b in zip(_numbers(before), _numbers(total), strict=True))
    return grown and all(total.part(p).holds(before.part(p)) for p in PARTS)


def _since(total: Flow, before: Flow, seconds: float) -> Flow:
    return Flow(
        seconds=seconds,
        received=total.received - before.received,
        run=total.run - before.run,
        received_bytes=total.received_bytes - before.received_bytes,
        sent=total.sent - before.sent,
        sent_bytes=total.sent_bytes - before.sent_bytes,
        durations={part: total.part(part).since(before.part(part)) for part in PARTS},
    )
