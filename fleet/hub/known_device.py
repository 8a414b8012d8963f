"""What is known of one device, and whether it is there. Pure: ``now`` is monotonic seconds."""

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from fleet.hub.arrivals import Arrivals
from fleet.hub.device_readings import DeviceReadings, WorkerReadings, device_readings
from fleet.hub.store.rows import DeviceRow
from wire.messages import Info, Reported, Status
from wire.telemetry import Health

Presence: TypeAlias = Literal["online", "silent", "offline", "lost", "unknown"]

SILENT_SECONDS: Final = 16.0
"""Three messages and a second."""
CLOCKS_AGREE_NS: Final = 2_000_000_000
"""By less, telemetry is on its way, and its device's clock is as ours."""
_MAX: Final = 1 << 63
_FORGOTTEN: Final = frozenset({"status", "info"})
"""Topics: a device that both were cleared of was forgotten."""
WATCHED_SILENT_SECONDS: Final = 3.0
WATCH_SECONDS: Final = 30.0
"""How long a device obeys one ``watch``."""
WATCH_BEGINS_SECONDS: Final = 6.0
"""So long after the first ``watch`` its telemetry surely comes every second."""


@dataclass(slots=True)
class KnownDevice:
    """One device."""

    device: str
    first_seen_unix_ns: int
    last_seen_unix_ns: int
    """When it last said something itself; a will is the broker's word. 0: never."""
    status: Status | None = None
    info: Info | None = None
    reported: Reported | None = None
    health: Health | None = None
    readings: DeviceReadings = field(default_factory=DeviceReadings)
    heard: bool = False
    """Whether it said anything since the hub started."""
    health_arrivals: Arrivals = field(default_factory=Arrivals)
    latency_arrivals: Arrivals = field(default_factory=Arrivals)
    alive_at: float = float("-inf")
    """When it gave its newest sign of life: a birth, or telemetry."""
    interval_seconds: float | None = None
    """Between its newest two health messages."""
    since_unix_ns: int | None = None
    """Since when `presence` is what it was when asked last."""
    watched_since: float | None = None
    watched_until: float = float("-inf")
    cleared: set[str] = field(default_factory=set)
    """Which of its retained topics were cleared and not written again."""
    clock_ahead_ns: int = 0
    """Its clock minus ours, as its newest telemetry showed it."""
    _presence: Presence = "unknown"
    _health_at: float | None = None

    @classmethod
    def restored(cls, row: DeviceRow) -> "KnownDevice":
        """Return what the registry knows: nothing was heard yet."""
        last = row.last_seen_unix_ns
        return cls(row.device, row.first_seen_unix_ns, last, since_unix_ns=last)

    def take_status(self, status: Status | None, now: float) -> bool:
        """Take a birth, a goodbye or a will; False: it is an old one.

        An empty payload takes the device's status away: as if it had said nothing.
        """
        if status and self.status and status.session < self.status.session:
            return False
        if status and self.status and status.session != self.status.session:
            self.watched_since, self.watched_until = None, float("-inf")  # it may have forgotten
        self.status = status
        if status is not None and status.state == "online":
            self.alive_at = now
        return True

    def take_health(self, health: Health, now: float, unix_ns: int) -> bool:
        """Take telemetry; False: it is late or repeated."""
        if not self.health_arrivals.is_news(health.session, health.sent_unix_ns):
            return False
        self.health, self.readings = health, device_readings(health.readings)
        ahead = health.sent_unix_ns - unix_ns
        self.clock_ahead_ns = ahead if abs(ahead) >= CLOCKS_AGREE_NS else 0
        if self._health_at is not None:
            self.interval_seconds = now - self._health_at
        self._health_at = self.alive_at = now
        return True

    def take_cleared(self, kind: str, *, empty: bool) -> bool:
        """Note whether one of its retained topics was cleared; True: that it was forgotten.

        A broker that loses its memory says nothing: only who clears a topic does.
        """
        if empty:
            self.cleared.add(kind)
        else:
            self.cleared.discard(kind)
        return self.cleared >= _FORGOTTEN

    def watched(self, now: float) -> None:
        """Somebody asked it for telemetry every second."""
        if self.watched_until < now:
            self.watched_since = now
        self.watched_until = now + WATCH_SECONDS

    def presence(self, now: float, unix_ns: int) -> Presence:
        """Return whether it is there, and keep since when that is so."""
        found = self._present(now)
        if found != self._presence:
            first, self._presence = self._presence == "unknown", found
            self.since_unix_ns = None if first else unix_ns  # it may have been so for long
            if found in {"silent", "lost", "offline"} and self.last_seen_unix_ns:
                self.since_unix_ns = self.last_seen_unix_ns
        return found

    def silent_after_seconds(self, now: float) -> float:
        """Return how long no telemetry must come until it counts as silent."""
        began = self.watched_since
        watched = began is not None and now - began >= WATCH_BEGINS_SECONDS
        if watched and now < self.watched_until - 1.0:
            return WATCHED_SILENT_SECONDS
        return SILENT_SECONDS

    def by_our_clock(self, told_unix_ns: int) -> int | None:
        """Return an instant that it told, as our clock showed it; None: it told none."""
        ours = told_unix_ns - self.clock_ahead_ns
        return ours if told_unix_ns and 0 < ours < _MAX else None

    def worker(self, pipeline: str, generation: int, stage: int) -> WorkerReadings:
        """Return the readings of one of its workers."""
        for key, found in self.readings.workers.items():
            if key == (pipeline, str(generation), str(stage)):
                return found
        return WorkerReadings()

    def _present(self, now: float) -> Presence:
        if not self.heard:
            return "unknown"
        if self.status is not None and self.status.state != "online":
            return self.status.state
        return "silent" if now - self.alive_at > self.silent_after_seconds(now) else "online"
