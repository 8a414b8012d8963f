"""The newest frame's way, by its client's clock; and how long hops take. Pure."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Final, NamedTuple

import msgspec

from fleet.hub.clock_offsets import ClockOffsets
from fleet.hub.views import ClockView, Span, WaterfallView
from wire import timings
from wire.messages import Account, ClientTimes
from wire.timings import StageTimes

CLIENT: Final = "client"
REMEMBERED_HOPS: Final = 60
"""Clients tell one frame a second."""


class Hop(NamedTuple):
    """From a sender's link until the receiver had the whole frame; times by their own clocks."""

    sent_by: str
    sent: int
    had_by: str
    had: int


class HopTime(NamedTuple):
    """How long a hop takes."""

    seconds: float
    error_seconds: float


@dataclass(frozen=True, slots=True)
class FrameWay:
    """One frame's times."""

    client: str
    frame: ClientTimes
    stages: tuple[StageTimes, ...]
    heard_unix_ns: int

    def hops(self) -> Iterator[tuple[str, str, Hop]]:
        """Yield (source, target, hop) for each hop, in order."""
        source, clock, sent = CLIENT, self.frame.clock, self.frame.sent
        for entry in self.stages:
            target = str(entry.stage)
            yield source, target, Hop(clock, sent, entry.clock, entry.received)
            source, clock, sent = target, entry.clock, entry.sent
        yield source, CLIENT, Hop(clock, sent, self.frame.clock, self.frame.answered)


@dataclass(slots=True)
class Waterfalls:
    """What is known of the ways of a pipeline's frames."""

    newest: FrameWay | None = None
    _offsets: ClockOffsets = field(default_factory=ClockOffsets)
    _hops: dict[tuple[str, str], deque[Hop]] = field(default_factory=dict)

    def take(self, told: Account, stages: int, now: float, heard_unix_ns: int) -> None:
        """Take the newest frame of an account, where it went through all ``stages`` in order."""
        entries = _entries(told)
        whole = [entry.stage for entry in entries] == list(range(stages))
        if told.frame is None or not whole or self._is_known(told):
            return
        self.newest = FrameWay(told.client, told.frame, entries, heard_unix_ns)
        for source, target, hop in self.newest.hops():
            self._offsets.hop(*hop, now)
            recent = self._hops.setdefault((source, target), deque(maxlen=REMEMBERED_HOPS))
            recent.append(hop)

    def forget(self) -> None:
        """Forget everything: another generation has other stages."""
        self.newest = None
        self._hops.clear()

    def hop_time(self, source: str, target: str, now: float) -> HopTime | None:
        """Return the median of a hop; None: it is not known, or its clocks cannot be compared."""
        hops = self._hops.get((source, target))
        if not hops:
            return None
        between = self._offsets.offset(hops[-1].had_by, hops[-1].sent_by, now)
        if between is None:
            return None
        clocks = (hops[-1].sent_by, hops[-1].had_by)
        raw = median(h.had - h.sent for h in hops if (h.sent_by, h.had_by) == clocks)
        seconds = max(0.0, (raw - between.nanoseconds) / 1e9)
        return HopTime(seconds, between.error_nanoseconds / 1e9)

    def view(self, now: float) -> WaterfallView | None:
        """Return the newest frame as it is shown; None: its clocks cannot be compared (yet)."""
        way = self.newest
        if way is None:
            return None
        clocks = []
        for entry in way.stages:
            offset = self._offsets.offset(entry.clock, way.frame.clock, now)
            if offset is None:
                return None
            clocks.append(
                ClockView(
                    lane=str(entry.stage),
                    device=entry.device,
                    offset_seconds=offset.nanoseconds / 1e9,
                    error_seconds=offset.error_nanoseconds / 1e9,
                )
            )
        return WaterfallView(
            client=way.client,
            sequence=way.frame.sequence,
            heard_unix_ns=way.heard_unix_ns,
            total_seconds=(way.frame.answered - way.frame.submitted) / 1e9,
            spans=tuple(_spans(way, [clock.offset_seconds for clock in clocks])),
            clocks=tuple(clocks),
            devices={str(entry.stage): entry.device for entry in way.stages},
        )

    def _is_known(self, told: Account) -> bool:
        known, frame = self.newest, told.frame
        return known is not None and known.client == told.client and known.frame == frame


def _entries(told: Account) -> tuple[StageTimes, ...]:
    try:
        return timings.from_plain(told.timings)
    except msgspec.ValidationError:
        return ()


def _spans(way: FrameWay, offsets: list[float]) -> Iterator[Span]:
    """Yield the bars, in seconds since the frame was submitted."""
    frame = way.frame

    def at(instant: int, offset: float = 0.0) -> float:
        return (instant - frame.submitted) / 1e9 - offset

    yield Span(kind="credit", lane=CLIENT, begin_seconds=0.0, end_seconds=at(frame.sent))
    left = at(frame.sent)
    for entry, offset in zip(way.stages, offsets, strict=True):
        lane, had = str(entry.stage), at(entry.received, offset)
        yield Span(kind="hop", lane=lane, begin_seconds=left, end_seconds=max(left, had))
        edges = [entry.received, entry.started, entry.run, entry.finished]
        kinds = ["queue", "decode", "run"]
        if entry.waited:
            edges.append(entry.finished + entry.waited)
            kinds.append("queue")
        instants = [at(edge, offset) for edge in (*edges, entry.sent)]
        for number, kind in enumerate((*kinds, "encode")):
            begin, end = instants[number], instants[number + 1]
            yield Span(kind=kind, lane=lane, begin_seconds=begin, end_seconds=end)  # type: ignore[arg-type]  # a literal
        left = instants[-1]
    back = at(frame.answered)
    yield Span(kind="hop", lane=CLIENT, begin_seconds=left, end_seconds=max(left, back))
