"""What is known of one pipeline: its route, what goes through its stages, its accounts. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from fleet.hub.account_book import AccountBook, Progress
from fleet.hub.durations import added
from fleet.hub.recent import Recent
from fleet.hub.stage_flow import Flow, StageFlow
from fleet.hub.views import WINDOW_SECONDS
from fleet.hub.waterfalls import Waterfalls
from wire import link_names
from wire.messages import Account, Route
from wire.telemetry import StageLatency

_LINKS: Final = frozenset({*link_names.carriers(), link_names.NONE})


def _recent_progress() -> Recent[Progress]:
    return Recent(WINDOW_SECONDS, most=4096)


class StageKey(NamedTuple):
    """One stage of one generation on one device."""

    device: str
    generation: int
    stage: int


class Pace(NamedTuple):
    """How fast frames go."""

    frames_per_second: float | None
    latency_seconds_p50: float | None
    latency_seconds_p95: float | None


@dataclass(slots=True)
class KnownPipeline:
    """One pipeline."""

    pipeline: str
    route: Route | None = None
    book: AccountBook = field(default_factory=AccountBook)
    waterfalls: Waterfalls = field(default_factory=Waterfalls)
    account_at: float | None = None
    """When an account was heard last, in monotonic seconds."""
    flows: dict[StageKey, StageFlow] = field(default_factory=dict)
    _progress: Recent[Progress] = field(default_factory=_recent_progress)
    _paced_from: float | None = None
    _by_clients: Recent[tuple[frozenset[str], frozenset[str]]] = field(
        default_factory=lambda: Recent(WINDOW_SECONDS)
    )

    @property
    def fed(self) -> bool:
        """Whether an account of it was ever heard or kept."""
        return self.book.sums().submitted > 0

    def pace_anew(self) -> None:
        """Forget how fast frames went: words were missed."""
        self._progress = _recent_progress()
        self._paced_from = None

    def take_route(self, route: Route | None) -> None:
        """Take a route; an older generation than the present one is taken, too: it was written."""
        if route is None or self.route is None or route.generation != self.route.generation:
            self.waterfalls.forget()
        self.route = route

    def take_account(
        self, account: Account, now: float, unix_ns: int, *, heard_since: float
    ) -> Progress | None:
        """Take a client's account; returns what came since.

        Raises:
            MessageError: It does not add up.
        """
        progress = self.book.take(account, now, heard_since=heard_since)
        self.account_at = now
        if self._paced_from is None:
            self._paced_from = now
        if progress is not None:
            self._progress.add(now, progress)
            told = account.links, account.links_back
            there, back = (_LINKS.intersection(links.values()) for links in told)
            self._by_clients.add(now, (there, back))
            self.waterfalls.take(account, self._stage_count, now, unix_ns)
        return progress

    def used_by_clients(self, now: float, *, answers: bool) -> frozenset[str]:
        """Return the links of clients' frames, or their answers, lately, as far as they told."""
        return frozenset().union(*(told[answers] for told in self._by_clients.within(now)))

    def usual_for_clients(self, *, answers: bool) -> str:
        """Return what clients' frames, or their answers, use unless they are told otherwise."""
        wanted = ""
        if self.route is not None:
            wanted = self.route.answers_link if answers else self.route.entry_link
        return link_names.NONE if wanted == link_names.NEVER_BROKER else link_names.DEFAULT

    @property
    def _stage_count(self) -> int:
        return len({stage.stage for stage in self.route.stages}) if self.route else 0

    def take_latency(self, device: str, told: StageLatency, now: float) -> Flow | None:
        """Take what a worker has counted; returns what came since.

        Raises:
            MessageError: A histogram is none.
        """
        key = StageKey(device, told.generation, told.stage)
        return self.flows.setdefault(key, StageFlow()).take(told, now)

    def keep_flows(self, device: str, present: set[StageKey]) -> None:
        """Forget the flows of a device's stages that it does not tell of any more."""
        for key in [k for k in self.flows if k.device == device and k not in present]:
            del self.flows[key]

    def pace(self, now: float) -> Pace:
        """Return how fast frames go lately."""
        if self._paced_from is None:
            return Pace(None, None, None)
        recent = list(self._progress.within(now))
        seconds = max(1.0, min(WINDOW_SECONDS, now - self._paced_from))
        latency = added(progress.latency for progress in recent)
        return Pace(
            sum(progress.results for progress in recent) / seconds,
            latency.percentile_seconds(0.5),
            latency.percentile_seconds(0.95),
        )

    def devices(self) -> Iterator[str]:
        """Yield the devices of its route."""
        for stage in self.route.stages if self.route else ():
            yield stage.device
