"""Everything that the hub knows of a site, changed by each message. Pure.

``now`` is monotonic seconds and ``unix_ns`` the same instant by the wall clock, which may be set at
any time: durations are of the first, and only what is shown or kept is of the second.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from fleet.hub.account_book import AccountBook, BookRow
from fleet.hub.device_views import device_view
from fleet.hub.device_views import urgency as device_urgency
from fleet.hub.known_device import KnownDevice
from fleet.hub.known_pipeline import KnownPipeline, StageKey
from fleet.hub.pipeline_views import pipeline_view
from fleet.hub.pipeline_views import urgency as pipeline_urgency
from fleet.hub.rollups import (
    FINE_STEP_SECONDS,
    STEP_SECONDS,
    DeviceWindow,
    PipelineWindow,
    StageWindow,
)
from fleet.hub.store.rows import Batch, DeviceRow, RawRow, RollupRow
from fleet.hub.views import DeviceView, PipelineView
from fleet.hub.windows import Windows
from wire import ids, messages
from wire.errors import CodedError, MessageError
from wire.messages import Account, Info, Reported, Route, Status
from wire.telemetry import Health, Latency
from wire.topics import Site

FINE_WINDOWS: Final = 330
"""Eleven minutes of charts."""
MAX_DEVICES: Final = 20_000
MAX_PIPELINES: Final = 1024
BOOK_NAMES: Final = ("books", "names")
"""Kind and key of the row that names the pipelines whose accounts are kept."""
FORGOTTEN_SECONDS: Final = 3600.0
"""A pipeline that is not deployed is shown for so long after its last account."""


class SiteFullError(CodedError):
    """The site has more devices or pipelines than a hub takes."""

    code = "hub.site_full"

    def __init__(self, what: str, most: int) -> None:
        super().__init__(what, most)
        self.what = what
        self.most = most

    def __str__(self) -> str:
        return f"hub: {self.what} is one more than {self.most}; start a hub for another site"


class SiteState:
    """What is known.

    Args:
        topics: The site's topics.
    """

    def __init__(self, topics: Site) -> None:
        self.topics = topics
        self.devices: dict[str, KnownDevice] = {}
        self.pipelines: dict[str, KnownPipeline] = {}
        self.refused: Counter[str] = Counter()
        """What came and was not understood, by code."""
        self.number = 0
        """Grows with every change."""
        self.fine: Windows[PipelineWindow] = Windows(
            FINE_STEP_SECONDS, FINE_WINDOWS, PipelineWindow, most_keys=MAX_PIPELINES
        )
        self.pipeline_windows: Windows[PipelineWindow] = Windows(STEP_SECONDS, 2, PipelineWindow)
        self.stage_windows: Windows[StageWindow] = Windows(STEP_SECONDS, 2, StageWindow)
        self.device_windows: Windows[DeviceWindow] = Windows(STEP_SECONDS, 2, DeviceWindow.empty)
        self._listening_since = float("-inf")
        self._reporters: dict[str, set[str]] = defaultdict(set)
        """Pipeline: the devices that report some of it."""
        self._batch = Batch()
        self._books: set[str] = set()
        """Pipelines whose accounts changed since they were kept."""

    # what comes

    def connected(self, now: float) -> None:
        """The broker can be heard from now on; what was said before was missed."""
        self._listening_since = now
        for pipeline in self.pipelines.values():
            pipeline.pace_anew()
        self.number += 1

    def disconnected(self) -> None:
        """The broker cannot be heard: what is known is not news any more."""
        self.number += 1

    def restore(self, rows: Iterable[DeviceRow]) -> None:
        """Take up the registry: devices of which nothing was heard yet."""
        for row in rows:
            self.devices[row.device] = KnownDevice.restored(row)

    def restore_book(self, pipeline: str, row: bytes) -> None:
        """Take up a pipeline's accounts.

        Raises:
            CodedError: They cannot be understood.
        """
        try:
            kept = msgspec.msgpack.decode(row, type=BookRow)
        except msgspec.DecodeError as error:
            raise MessageError("book", str(error)) from error
        self._pipeline(pipeline).book = AccountBook.restored(kept)

    def take(self, topic: str, payload: bytes, now: float, unix_ns: int) -> None:
        """Take one message; what cannot be understood is counted and changes nothing."""
        try:
            parsed = self.topics.parse(topic)
            names = parsed.names
            match parsed.kind:
                case "status" | "info" | "reported":
                    self._take_retained(parsed.kind, names["device"], payload, now, unix_ns)
                case "tele":
                    self._take_telemetry(names["kind"], names["device"], payload, now, unix_ns)
                case "route":
                    self._take_route(names["pipeline"], payload)
                case "acct":
                    self._take_account(names["pipeline"], names["client"], payload, now, unix_ns)
                case _:
                    return
        except CodedError as error:
            self.refused[error.code] += 1
            return
        self.number += 1

    def _take_retained(
        self, kind: str, name: str, payload: bytes, now: float, unix_ns: int
    ) -> None:
        told: Status | Info | Reported | None = None
        if payload:
            told = messages.decode(kind, payload, _RETAINED[kind])
        elif name not in self.devices:
            return  # it was taken away before we came
        device = self._device(name, unix_ns)
        device.heard = True
        match told:
            case Status():
                if device.take_status(told, now) and told.state == "online":
                    device.last_seen_unix_ns = unix_ns
                device.presence(now, unix_ns)  # since when is from now on
            case Info():
                device.info = told
            case Reported():
                self._take_reported(device, told)
            case None if kind == "status":
                device.take_status(None, now)
            case None if kind == "info":
                device.info = None
            case None:
                self._take_reported(device, None)
        if device.take_cleared(kind, empty=told is None):
            self._forget_device(device)
        else:
            self._keep(device, **{kind: payload or None})

    def _take_reported(self, device: KnownDevice, told: Reported | None) -> None:
        before = {a.pipeline for a in _assignments(device.reported)}
        present = {ids.checked(a.pipeline, "pipeline") for a in _assignments(told)}
        device.reported = told
        for name in before - present:
            self._reporters[name].discard(device.device)
        for name in present:
            self._pipeline(name)
            self._reporters[name].add(device.device)

    def _take_telemetry(
        self, kind: str, name: str, payload: bytes, now: float, unix_ns: int
    ) -> None:
        if kind not in _TELEMETRY:
            return
        told: Health | Latency = messages.decode("tele", payload, _TELEMETRY[kind])
        _check_owner(told.device, name)
        if not (0 <= told.session < _MAX and 0 <= told.sent_unix_ns < _MAX):
            raise MessageError("tele", "session or time is out of range")
        device = self._device(name, unix_ns)
        if isinstance(told, Health):
            if not device.take_health(told, now, unix_ns):
                return
            window = self.device_windows.at(name, unix_ns / 1e9)
            window.add(device.readings.kept())
        else:
            if not device.latency_arrivals.is_news(told.session, told.sent_unix_ns):
                return
            self._take_latency(name, told, now, unix_ns)
        device.heard = True
        device.last_seen_unix_ns = unix_ns
        self._batch.raw.append(
            RawRow(name, kind, told.sent_unix_ns, told.session, unix_ns, payload)
        )
        self._keep(device)

    def _take_latency(self, device: str, told: Latency, now: float, unix_ns: int) -> None:
        present: dict[str, set[StageKey]] = defaultdict(set)
        for stage in told.stages:
            flow = self._pipeline(stage.pipeline).take_latency(device, stage, now)
            present[stage.pipeline].add(StageKey(device, stage.generation, stage.stage))
            if flow is not None:
                key = f"{stage.pipeline}/{stage.generation}-{stage.stage}/{device}"
                self.stage_windows.at(key, unix_ns / 1e9).add(flow)
        for name in self._served_by(device) | set(present):
            if name in self.pipelines:
                self.pipelines[name].keep_flows(device, present[name])

    def _take_route(self, name: str, payload: bytes) -> None:
        route = messages.decode("route", payload, Route) if payload else None
        if route is not None:
            _check_owner(route.pipeline, name)
        elif name not in self.pipelines:
            return
        self._pipeline(name).take_route(route)

    def _take_account(
        self, name: str, client: str, payload: bytes, now: float, unix_ns: int
    ) -> None:
        account = messages.decode("acct", payload, Account)
        _check_owner(account.client, client)
        since = self._listening_since
        pipeline = self._pipeline(name)
        progress = pipeline.take_account(account, now, unix_ns, heard_since=since)
        self._books.add(name)
        if progress is not None:
            for windows in (self.fine, self.pipeline_windows):
                windows.at(name, unix_ns / 1e9).add(progress)

    # what is shown

    def device(self, name: str, now: float, unix_ns: int) -> DeviceView:
        """Return one device as it is shown."""
        return device_view(self.devices[name], now, unix_ns)

    def device_views(self, now: float, unix_ns: int) -> tuple[DeviceView, ...]:
        """Return every device, problems first."""
        views = (device_view(device, now, unix_ns) for device in self.devices.values())
        return tuple(sorted(views, key=device_urgency))

    def pipeline_views(self, now: float, unix_ns: int) -> tuple[PipelineView, ...]:
        """Return every pipeline that is deployed, reported or was lately fed; problems first."""
        views = []
        for name, known in self.pipelines.items():
            fed = known.account_at is not None and now - known.account_at < FORGOTTEN_SECONDS
            if not (known.route or self._reporters.get(name) or fed):
                continue
            concerned = {*known.devices(), *self._reporters.get(name, ())}
            devices = {d: self.devices[d] for d in concerned if d in self.devices}
            views.append(pipeline_view(known, devices, now, unix_ns))
        return tuple(sorted(views, key=pipeline_urgency))

    def missing(self) -> Iterator[str]:
        """Yield the devices of the registry of which nothing was heard since the start, by name."""
        return (name for name in sorted(self.devices) if not self.devices[name].heard)

    def incomplete(self) -> Iterator[str]:
        """Yield the devices whose retained topics did not all come: they are to be asked for."""
        for name, device in self.devices.items():
            if device.status is None or device.info is None or device.reported is None:
                yield name
        for pipeline in self.pipelines.values():
            yield from (name for name in pipeline.devices() if name not in self.devices)

    # what is kept

    def batch(self, unix_ns: int) -> Batch:
        """Return what is to be kept of what came since this was asked last."""
        batch, self._batch = self._batch, Batch()
        at = unix_ns / 1e9
        books, self._books = self._books, set()
        kept = ((name, self.pipelines[name].book.kept()) for name in sorted(books))
        rows: list[tuple[str, Iterator[tuple[str, int, bytes]]]] = [
            ("device", _encoded(self.device_windows.changed(closed_by=at), DeviceWindow.encoded)),
            ("pipeline", _encoded(self.pipeline_windows.changed(), PipelineWindow.encoded)),
            ("stage", _encoded(self.stage_windows.changed(), StageWindow.encoded)),
            ("book", ((n, _book_end(at), msgspec.msgpack.encode(row)) for n, row in kept)),
        ]
        if books:
            names = msgspec.msgpack.encode(sorted(n for n, p in self.pipelines.items() if p.fed))
            batch.rollups.append(RollupRow(*BOOK_NAMES, _book_end(at), names))
        for kind, found in rows:
            batch.rollups.extend(RollupRow(kind, key, end, data) for key, end, data in found)
        return batch

    # the ones that are known

    def _device(self, name: str, unix_ns: int) -> KnownDevice:
        found = self.devices.get(name)
        if found is None:
            if len(self.devices) >= MAX_DEVICES:
                raise SiteFullError(f"device {name}", MAX_DEVICES)
            found = self.devices[name] = KnownDevice(name, unix_ns, 0)
        return found

    def _pipeline(self, name: str) -> KnownPipeline:
        found = self.pipelines.get(name)
        if found is None:
            ids.checked(name, "pipeline")
            if len(self.pipelines) >= MAX_PIPELINES:
                self._forget_pipeline(name)
            found = self.pipelines[name] = KnownPipeline(name)
        return found

    def _forget_device(self, device: KnownDevice) -> None:
        """Drop a device that somebody forgot; what it sent stays until it is old."""
        self._take_reported(device, None)
        for pipeline in self.pipelines.values():
            pipeline.keep_flows(device.device, set())
        del self.devices[device.device]
        self._batch.devices.pop(device.device, None)
        self._batch.forgotten.add(device.device)

    def _forget_pipeline(self, name: str) -> None:
        """Make room for one: the longest silent goes of those that are not deployed."""
        away = [
            p for p in self.pipelines.values() if not (p.route or self._reporters.get(p.pipeline))
        ]
        if not away:
            raise SiteFullError(f"pipeline {name}", MAX_PIPELINES)
        oldest = min(away, key=lambda p: p.account_at or float("-inf"))
        del self.pipelines[oldest.pipeline]
        self._books.discard(oldest.pipeline)

    def _served_by(self, device: str) -> set[str]:
        return {a.pipeline for a in _assignments(self.devices[device].reported)}

    def _keep(self, device: KnownDevice, **payloads: bytes | None) -> None:
        before = self._batch.devices.get(device.device)
        kept = {kind: getattr(before, kind) for kind in _RETAINED} if before else {}
        self._batch.devices[device.device] = DeviceRow(
            device.device,
            device.first_seen_unix_ns,
            device.last_seen_unix_ns,
            **{**kept, **payloads},
        )


_RETAINED: Final[dict[str, type[Status | Info | Reported]]] = {
    "status": Status,
    "info": Info,
    "reported": Reported,
}
_TELEMETRY: Final[dict[str, type[Health | Latency]]] = {"health": Health, "latency": Latency}
_MAX: Final = 1 << 63
_BOOK_SECONDS: Final = 3600
"""A pipeline's accounts are kept as one row in each hour, replaced again and again."""


def book_names(data: bytes) -> list[str]:
    """Return the pipelines whose accounts are kept; what cannot be understood names none."""
    try:
        return msgspec.msgpack.decode(data, type=list[str])
    except msgspec.DecodeError:
        return []


def _assignments(reported: Reported | None) -> Iterable[messages.ReportedAssignment]:
    return reported.assignments if reported else ()


def _check_owner(told: str, name: str) -> None:
    if told != name:
        raise MessageError("topic", f"it tells of {told!r:.60}, on a topic of {name}")


def _book_end(at: float) -> int:
    return (int(at) // _BOOK_SECONDS + 1) * _BOOK_SECONDS


def _encoded(
    windows: Iterable[tuple[str, int, object]], encode: Callable[..., bytes]
) -> Iterator[tuple[str, int, bytes]]:
    return ((key, end, encode(window)) for key, end, window in windows)
