"""A hub at work: hears the site, keeps it, and answers what pages, API and metrics ask."""

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable
from importlib import metadata
from typing import Final, Literal

import msgspec
import structlog

from fleet.hub import series
from fleet.hub.inbox import Arrived, Inbox
from fleet.hub.keeping import Keeping
from fleet.hub.listening import Listening
from fleet.hub.options import HubOptions
from fleet.hub.rollups import FINE_STEP_SECONDS, STEP_SECONDS, DeviceWindow, PipelineWindow
from fleet.hub.site_state import BOOK_NAMES, FINE_WINDOWS, SiteState, book_names
from fleet.hub.store.errors import StoreError
from fleet.hub.store.rows import RawRow, RollupRow
from fleet.hub.store.store import Store
from fleet.hub.views import (
    DeviceSeries,
    DeviceTelemetry,
    HubView,
    PipelineSeries,
    SiteView,
    TelemetryMessage,
)
from wire.errors import CodedError

AT_ONCE: Final = 200
"""Messages taken in before others have their turn."""
KEEP_SECONDS: Final = 1.0
PRUNE_SECONDS: Final = 10.0
ASK_SECONDS: Final = 0.5
REBIRTH_SECONDS: Final = 2.0
"""After connecting: first comes what the broker keeps."""
WATCH_SECONDS: Final = 10.0
WATCH_PAUSE_SECONDS: Final = 0.2
"""A device that was just born, or is not connected, is not asked again and again."""
LOOKED_AT_SECONDS: Final = 15.0
"""So long after somebody looked at a device it is watched."""
MOST_WATCHED: Final = 200
SITE_SECONDS: Final = 0.1
"""A view is not made anew more often, and never for more than a fifth of the time."""
BOOK_SECONDS: Final = 86_400
DAY_SECONDS: Final = 86_400.0
RATE_SECONDS: Final = 10
RAW_SECONDS: Final = 3600.0
MOST_MESSAGES: Final = 1000
MISSING_SHOWN: Final = 100

log = structlog.get_logger(__name__)


class Hub:
    """One site's hub: a `fleet.hub.monitor.Monitor`. Used from one event loop.

    Args:
        options: What it hears, and as whom.
        store: What it keeps things in; closed when the hub ends.
    """

    def __init__(self, options: HubOptions, store: Store) -> None:
        self._state = SiteState(options.topics)
        self._keeping = Keeping(store)
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._change = asyncio.Event()
        self._inbox = Inbox(lambda: self._soon(self._arrived.set))
        self._listening = Listening(
            options,
            self._inbox,
            up=lambda: self._soon(self._heard),
            down=lambda: self._soon(self._unheard),
        )
        self._taken_up: set[str] = set()
        """Pipelines whose open window another hub began: it is in none of our finest steps."""
        self._started_unix_ns = time.time_ns()
        self._up_at: float | None = None
        self._reborn = False
        self._counts: Counter[int] = Counter()
        """Messages by the second that they came in."""
        self._looked_at: dict[str, float] = {}
        self._watch_now = asyncio.Event()
        self._site: SiteView | None = None
        self._site_due = 0.0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hear and keep while the body runs; then keep what is left and say goodbye.

        Raises:
            StoreError: What was kept cannot be read.
        """
        try:
            await self._restore()
            self._listening.start()
            async with asyncio.TaskGroup() as tasks:
                jobs = [self._take_in(), self._keep(), self._prune(), self._ask(), self._watch()]
                running = [tasks.create_task(job) for job in jobs]
                try:
                    yield
                finally:
                    for task in running:
                        task.cancel()
            await asyncio.to_thread(self._listening.stop)
            await self._keeping.keep(self._state.batch(time.time_ns()))
        finally:
            await asyncio.to_thread(self._keeping.close)

    # what a monitor is asked

    def site(self) -> SiteView:
        """Return everything as it is now."""
        began = time.monotonic()
        if self._site is None or began >= self._site_due:
            self._site = self._made_site(began, time.time_ns())
            cost = time.monotonic() - began
            self._site_due = began + max(SITE_SECONDS, 5 * cost)
        return self._site

    async def changed(self, number: int, timeout_seconds: float) -> int:
        """Wait until the site's number is not ``number``, or so long; return the present one."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while self._state.number == number:
                    await self._change.wait()
        return self._state.number

    def watching(self, devices: Iterable[str]) -> None:
        """Somebody looks at these devices now: they send telemetry every second for a while."""
        now = time.monotonic()
        names = [name for name in devices if name in self._state.devices]
        for name in names[:MOST_WATCHED]:
            self._looked_at.pop(name, None)
            self._looked_at[name] = now
        while len(self._looked_at) > MOST_WATCHED:
            del self._looked_at[next(iter(self._looked_at))]
        if any(not self._is_watched(name) for name in self._looked_at):
            self._watch_now.set()

    async def pipeline_series(self, pipeline: str, seconds: float) -> PipelineSeries | None:
        """Return the last ``seconds`` of a pipeline, at most a day; None: it is not known."""
        if pipeline not in self._state.pipelines:
            return None
        seconds, until = min(seconds, DAY_SECONDS), time.time()
        fine = self._state.fine.get(pipeline)
        enough = seconds <= (FINE_WINDOWS - 30) * FINE_STEP_SECONDS
        started = self._started_unix_ns / 1e9
        if enough and until - started >= seconds:
            rows = []
        else:
            rows = await self._rows("pipeline", pipeline, seconds)
        earlier = any(row.end_unix_seconds <= started for row in rows)
        if enough and not earlier and pipeline not in self._taken_up:
            step = series.step_of(seconds, FINE_STEP_SECONDS)
            return series.pipeline_series(pipeline, fine, until, seconds, step)
        windows = {row.end_unix_seconds: PipelineWindow.decoded(row.data) for row in rows}
        windows |= self._state.pipeline_windows.get(pipeline)
        step = series.step_of(seconds, STEP_SECONDS)
        return series.pipeline_series(pipeline, windows, until, seconds, step)

    async def device_series(self, device: str, seconds: float) -> DeviceSeries | None:
        """Return the last ``seconds`` of a device, at most a day; None: it is not known."""
        if device not in self._state.devices:
            return None
        seconds, until = min(seconds, DAY_SECONDS), time.time()
        windows = {
            row.end_unix_seconds: DeviceWindow.decoded(row.data)
            for row in await self._rows("device", device, seconds)
        }
        windows |= self._state.device_windows.get(device)
        step = series.step_of(seconds, STEP_SECONDS)
        return series.device_series(device, windows, until, seconds, step)

    async def device_telemetry(
        self, device: str, kind: Literal["health", "latency"], seconds: float
    ) -> DeviceTelemetry | None:
        """Return what a device sent in the last ``seconds``, at most an hour; None: unknown."""
        if device not in self._state.devices:
            return None
        since = time.time_ns() - int(min(seconds, RAW_SECONDS) * 1e9)

        def newest(store: Store) -> list[RawRow]:
            return list(deque(store.raw(device, kind, since), maxlen=MOST_MESSAGES))

        try:
            rows = await self._keeping.ask(newest)
        except StoreError:
            rows = []  # the page shows why there is no history
        told = tuple(
            TelemetryMessage(
                received_unix_ns=row.received_unix_ns, message=msgspec.json.decode(row.payload)
            )
            for row in rows
        )
        return DeviceTelemetry(device=device, kind=kind, messages=told)

    async def ready(self) -> str | None:
        """Return why the hub cannot do its work now; None: it can."""
        return self._listening.problem or self._keeping.problem

    # what it does all the while

    async def _restore(self) -> None:
        now = int(time.time())
        self._state.restore(await self._keeping.ask(lambda store: store.devices()))
        rows = await self._keeping.ask(lambda store: _restored(store, now))
        for row in rows:
            try:
                self._restore_row(row)
            except CodedError as error:
                log.warning("history.not_understood", kind=row.kind, key=row.key, reason=str(error))
        self._keeping.oldest_unix_seconds = await self._keeping.ask(
            lambda store: store.oldest_rollup_unix_seconds()
        )

    def _restore_row(self, row: RollupRow) -> None:
        match row.kind:
            case "book":
                self._state.restore_book(row.key, row.data)
            case "pipeline":
                window = PipelineWindow.decoded(row.data)
                self._state.pipeline_windows.restore(row.key, row.end_unix_seconds, window)
                self._taken_up.add(row.key)

    async def _take_in(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while arrived := self._inbox.take(AT_ONCE):
                for one in arrived:
                    self._take(one)
                self._count(len(arrived))
                if any(not self._is_watched(name) for name in self._looked_at):
                    self._watch_now.set()
                self._tell()
                await asyncio.sleep(0)

    def _take(self, one: Arrived) -> None:
        try:
            self._state.take(one.topic, one.payload, one.at, one.unix_ns)
        except Exception as error:  # noqa: BLE001 a slip of ours in one message ends no hub
            self._slipped("message", error)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            try:
                batch = self._state.batch(time.time_ns())
            except Exception as error:  # noqa: BLE001 as above; what could not be kept is lost
                self._slipped("batch", error)
            else:
                await self._keeping.keep(batch)

    def _slipped(self, what: str, error: Exception) -> None:
        """Count what is a bug of ours, and tell it once."""
        if not self._state.refused["internal"]:
            log.error("hub.slipped", what=what, error=f"{type(error).__name__}: {error}")
        self._state.refused["internal"] += 1

    async def _prune(self) -> None:
        while True:
            await asyncio.sleep(PRUNE_SECONDS)
            await self._keeping.prune(time.time_ns())

    async def _ask(self) -> None:
        """Ask for what the broker did not give: it may keep it, or a device says it again."""
        while True:
            await asyncio.sleep(ASK_SECONDS)
            if self._up_at is None or time.monotonic() - self._up_at < REBIRTH_SECONDS:
                continue
            if not self._reborn:
                self._reborn = True
                await asyncio.to_thread(self._listening.say_presence)
                continue
            await asyncio.to_thread(self._listening.ask, set(self._state.incomplete()))

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._watch_now.wait()
            await asyncio.sleep(WATCH_PAUSE_SECONDS)
            self._watch_now.clear()
            now = time.monotonic()
            for name in [n for n, at in self._looked_at.items() if now - at > LOOKED_AT_SECONDS]:
                del self._looked_at[name]
            present = [n for n in self._looked_at if n in self._state.devices]
            if present and self._listening.up:
                await asyncio.to_thread(self._listening.watch, present)
                for name in self._state.devices.keys() & present:  # some were forgotten meanwhile
                    self._state.devices[name].watched(time.monotonic())

    # in the loop

    def _heard(self) -> None:
        self._up_at, self._reborn = time.monotonic(), False
        self._state.connected(self._up_at)
        self._tell()

    def _unheard(self) -> None:
        self._up_at = None
        self._state.disconnected()
        self._tell()

    def _count(self, messages: int) -> None:
        second = int(time.monotonic())
        self._counts[second] += messages
        for old in [s for s in self._counts if s < second - RATE_SECONDS]:
            del self._counts[old]

    def _rate(self, now: float) -> float:
        """Return how many messages came in a second, over the last whole seconds."""
        ends = int(now)
        return sum(self._counts[ends - back] for back in range(1, RATE_SECONDS + 1)) / RATE_SECONDS

    def _is_watched(self, name: str) -> bool:
        """Whether a device was asked lately, and has not been born again since."""
        device = self._state.devices.get(name)
        return device is None or device.watched_until > time.monotonic()

    def _tell(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    def _soon(self, callback: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(callback)  # type: ignore[arg-type]

    async def _rows(self, kind: str, key: str, seconds: float) -> list[RollupRow]:
        now = int(time.time())
        since = now - int(seconds) - STEP_SECONDS
        try:
            return await self._keeping.ask(
                lambda store: store.rollups(kind, key, since, now + 2 * STEP_SECONDS)
            )
        except StoreError:
            return []  # the page shows why there is no history

    def _made_site(self, now: float, unix_ns: int) -> SiteView:
        state = self._state
        devices = state.device_views(now, unix_ns)
        missing = list(state.missing())
        return SiteView(
            site=self._options.topics.site,
            root=self._options.topics.root,
            at_unix_ns=unix_ns,
            number=state.number,
            devices_heard=len(state.devices) - len(missing),
            devices_known=len(state.devices),
            devices_missing=tuple(missing[:MISSING_SHOWN]),
            devices=devices,
            pipelines=state.pipeline_views(now, unix_ns),
            hub=self._hub(now, unix_ns),
        )

    def _hub(self, now: float, unix_ns: int) -> HubView:
        listening, oldest = self._listening, self._keeping.oldest_unix_seconds
        refused = dict(self._state.refused.most_common(20))
        if self._inbox.dropped:
            refused["hub.inbox_full"] = self._inbox.dropped
        return HubView(
            version=metadata.version("paceline"),
            started_unix_ns=self._started_unix_ns,
            broker=listening.broker,
            connected=listening.up,
            broker_problem=listening.problem,
            database=self._keeping.name,
            database_problem=self._keeping.problem,
            history_seconds=max(0.0, unix_ns / 1e9 - oldest) if oldest else None,
            messages_per_second=self._rate(now),
            refused_messages=refused,
            lag_seconds=self._inbox.lag_seconds(),
        )


def _restored(store: Store, now: int) -> list[RollupRow]:
    """Return each pipeline's newest accounts, and its windows that are still open."""
    found: list[RollupRow] = []
    until = now + 2 * BOOK_SECONDS
    for row in store.rollups(*BOOK_NAMES, now - BOOK_SECONDS, until)[-1:]:
        for name in book_names(row.data):
            found += store.rollups("book", name, now - BOOK_SECONDS, until)[-1:]
            found += store.rollups("pipeline", name, now, until)
    return found
