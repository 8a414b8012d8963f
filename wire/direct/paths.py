"""Which way frames go to those that take them: the broker's link, or a direct connection.

Every hop begins on the broker's link. Where a direct one is wanted, the receiver is asked what
it offers, and a thread of its own tries that. A connection that stands is *ready*; the hop changes
to it at a moment when nothing is on its way (`Grant.arrived`), so nothing can overtake. When it
breaks, the hop is back on the broker's link at once; what was under way is found missing by its
positions and sent again (docs/adr/0017), and later the hop climbs again.
"""

import contextlib
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from wire import backoff, link_names
from wire.buffers import Buffer
from wire.direct import endpoint, proving
from wire.direct.connection import Connection, Events
from wire.direct.errors import EndpointError, HandshakeError
from wire.direct.proving import Key
from wire.links import Link

TRY_SECONDS: Final = 2.0
"""For each way that is offered."""
MAX_TRIES: Final = 8
_FIRST_SECONDS: Final = 1.0
_LONGEST_SECONDS: Final = 60.0
_STEADY_SECONDS: Final = 60.0
"""A connection that stood for so long is a good one: after it, waiting begins anew."""
HOLD_AFTER_SECONDS: Final = 1.0
"""So long a connection that stands waits for a moment when nothing is on its way."""
HOLD_SECONDS: Final = 1.0
"""So long, at most, nothing more is sent then, so that there is one."""
_HOLD_AGAIN_SECONDS: Final = 30.0
_WAITING_OFFERS: Final = 64
MAX_GRANT_BYTES: Final = 1 << 20
"""Of what comes back, where that is grants."""


def _delays() -> Iterator[float]:
    return backoff.delays(_FIRST_SECONDS, _LONGEST_SECONDS, random.Random())  # noqa: S311 it spreads retries


class Say(Protocol):
    """Told what changes, such as the log."""

    def __call__(self, event: str, /, **values: Any) -> None:
        """Take an event and what there is to know of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """Who we are to those who take our frames, and what we want."""

    sender: str
    """Our id: a device's, or a client's."""
    host: str
    """Our `wire.clock.clock_id`."""
    usual: str
    """How we speak to the broker."""
    wanted: str
    """``auto``, ``uds`` or ``tcp``; anything else: the broker's link alone."""
    token: str = field(default="", repr=False)
    """What all of them know; empty: each tells it with its offers."""
    own_file: Path | None = None
    """Our certificate and key (PEM); None: nothing goes off this host."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Who takes our frames."""

    device: str
    certificate: bytes | None = None
    """What it shows off this host (DER); None: it is reached on this host alone."""


@dataclass(slots=True)
class _Path:
    """One hop's."""

    peer: Neighbour
    asking: Iterator[float] = field(default_factory=_delays)
    """Seconds between two questions."""
    breaking: Iterator[float] = field(default_factory=_delays)
    """Seconds from a break to the next question."""
    ready: Connection | None = None
    used: Connection | None = None
    used_since: float = 0.0
    hold_at: float = 0.0
    """When to send nothing more for a while; monotonic seconds."""
    holds: bool = False
    ask_at: float = 0.0
    """When to ask for offers; monotonic seconds."""
    tells: bool = False
    """Whether the receiver has to be told, on the broker's link, how far we are."""
    doubt: str = ""
    """Why we ended it ourselves."""
    trouble: str = ""
    """Why nothing could be reached; logged once."""


@dataclass(frozen=True, slots=True)
class Due:
    """What to tell a receiver now."""

    address: str
    offers: bool
    """Whether to ask what it offers."""


class Paths:
    """The ways to all replicas of a stage.

    Args:
        link: The broker's.
        neighbours: By the addresses of their lanes.
        ours: Who we are.
        receive: Takes what comes back on a connection, such as grants.
        changed: Called, in any thread, when ``tend`` has something to do.
        say: Told of each change, and once of what cannot be reached; in any thread.
        max_frame_bytes: Of what comes back.
    """

    def __init__(
        self,
        link: Link,
        neighbours: Mapping[str, Neighbour],
        ours: Ours,
        *,
        receive: Callable[[Buffer], None] = lambda _: None,
        changed: Callable[[], None] = lambda: None,
        say: Say = lambda _event, /, **_values: None,
        max_frame_bytes: int = MAX_GRANT_BYTES,
    ) -> None:
        self._link = link
        self._neighbours = neighbours
        self._ours = ours
        self._changed = changed
        self._tell = say
        self._max_frame_bytes = max_frame_bytes
        self._events = Events(receive=lambda _, data: receive(data), ended=self._ended)
        climbs = ours.wanted in link_names.DIRECT
        self._paths = {a: _Path(peer) for a, peer in neighbours.items() if climbs}
        self._lock = threading.Lock()
        self._offered: queue.Queue[tuple[str, Any, str] | None] = queue.Queue(_WAITING_OFFERS)
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def climb(self) -> bool:
        """Whether any hop may leave the broker's link."""
        return bool(self._paths)

    @property
    def broker_up(self) -> bool:
        """Whether the broker's link can send."""
        return self._link.up

    @property
    def up(self) -> bool:
        """Whether every replica of the next stage, and with none, the broker can be sent to."""
        if self._link.up:
            return True
        used = [path.used for path in self._paths.values()]
        return bool(used) and None not in used

    def is_direct(self, address: str) -> bool:
        """Whether a direct connection to this address is used."""
        path = self._paths.get(address)
        return path is not None and path.used is not None

    def links(self) -> dict[str, str]:
        """Return which link is used to each device of the next stage."""
        usual = self._ours.usual
        standing = [(path.peer.device, path.used) for path in self._paths.values()]
        direct = {device: used.link for device, used in standing if used is not None}
        return {peer.device: direct.get(peer.device, usual) for peer in self._neighbours.values()}

    def send(self, address: str, buffers: Sequence[Buffer]) -> None:
        """Send a frame the way that is used now.

        Raises:
            LinkDownError: It was not sent, or may not have arrived.
        """
        path = self._paths.get(address)
        used = path.used if path is not None else None
        if used is None:
            self._link.send(address, buffers)
        else:
            used.send(buffers)

    def tend(
        self, now: float, suspects: Iterable[str], all_arrived: Callable[[str], bool]
    ) -> list[Due]:
        """Do what is due; returns which receivers to tell our position on the broker's link.

        Args:
            now: Monotonic seconds.
            suspects: Addresses at which nobody answers.
            all_arrived: Whether nothing is on its way to an address.
        """
        for address in suspects:
            self.doubt(address)
        self.switch_ready(now, all_arrived)
        return self.due(now) if self.broker_up else []

    def due(self, now: float) -> list[Due]:
        """Return which receivers to tell our position on the broker's link."""
        found = []
        for address, path in self._paths.items():
            asks = path.used is None and path.ready is None and now >= path.ask_at
            if asks:
                path.ask_at = now + next(path.asking)
            if asks or path.tells:
                path.tells = False
                found.append(Due(address, asks))
        return found

    def offered(self, address: str, offers: Any, token: Any = None) -> None:
        """Take what a receiver offers, and the token that it told; any thread may call.

        Tried in a thread of its own.
        """
        if address not in self._paths or self._closed:
            return
        if self._thread is None:
            thread = threading.Thread(target=self._climb, daemon=True, name="direct paths")
            try:
                thread.start()
            except RuntimeError:  # no memory for one: it is asked again
                return
            self._thread = thread
        with contextlib.suppress(queue.Full):  # it is asked again
            self._offered.put_nowait((address, offers, token if isinstance(token, str) else ""))

    def switch_ready(self, now: float, all_arrived: Callable[[str], bool]) -> None:
        """Use what is ready wherever nothing is on its way; the sending thread calls it."""
        for address, path in self._paths.items():
            if path.ready is not None and all_arrived(address):
                self._switch(path, now)

    def hold(self, now: float) -> bool:
        """Whether to send nothing more, so that what is ready can be used; the sender asks.

        Where frames follow each other quicker than grants come back, something is always on its
        way. So the receiver is asked how far it is, and until it answers nothing follows.
        """
        found = False
        for path in self._paths.values():
            if path.ready is None or now < path.hold_at:
                continue
            if not path.holds:
                path.holds = path.tells = True
                path.hold_at = now
            if now < path.hold_at + HOLD_SECONDS:
                found = True
            else:  # it does not answer so soon: frames go on, and are held once more later
                path.hold_at, path.holds = now + _HOLD_AGAIN_SECONDS, False
        return found

    def _switch(self, path: _Path, now: float) -> None:
        with self._lock:
            if path.ready is None:
                return  # it has just ended
            path.used, path.ready, path.used_since = path.ready, None, now
            path.asking = _delays()
            link = path.used.link
        self._say(path, self._ours.usual, link, "it is reached directly")

    @property
    def some_ready(self) -> bool:
        """Whether ``switch_ready`` may have something to do."""
        for path in self._paths.values():  # noqa: SIM110 no generator for each frame
            if path.ready is not None:
                return True
        return False

    def doubt(self, address: str) -> None:
        """Give up a connection on which nobody answers."""
        path = self._paths.get(address)
        used = path.used if path is not None else None
        if path is not None and used is not None:
            path.doubt = "the neighbour does not answer on it"
            used.close()

    def close(self) -> None:
        """Close every connection; closing twice is harmless."""
        with self._lock:
            self._closed = True
        if self._thread is not None:
            with contextlib.suppress(queue.Full):
                self._offered.put_nowait(None)
            self._thread.join(TRY_SECONDS)
        with self._lock:
            standing = [c for p in self._paths.values() for c in (p.ready, p.used) if c is not None]
        for connection in standing:
            connection.close()

    def _climb(self) -> None:
        while not self._closed and (item := self._offered.get()) is not None:
            address, offers, token = item
            path = self._paths[address]
            if path.used is None and path.ready is None:
                self._try(address, path, offers, token)

    def _try(self, address: str, path: _Path, offers: Any, token: str) -> None:
        """Connect to the best that is offered and can be reached."""
        ours = self._ours
        key = Key(
            address=address,
            token=ours.token or token,
            sender=ours.sender,
            own_file=ours.own_file,
            certificate=path.peer.certificate,
        )
        ways = endpoint.ways(
            endpoint.from_meta(offers),
            address,
            link=ours.wanted,
            host=ours.host,
            has_certificates=bool(key.own_file and key.certificate),
        )
        problems = [] if ways else ["nothing is offered that could be tried"]
        for way in ways[:MAX_TRIES]:
            if self._closed:
                return
            try:
                met = proving.connect(way, key, TRY_SECONDS)
            except (EndpointError, HandshakeError) as error:
                problems.append(f"{way}: {error.problem}")
                continue
            connection = Connection(
                met.stream,
                way.link,
                path.peer.device,
                self._events,
                self._max_frame_bytes,
                arena=met.arena,
            )
            with self._lock:
                late = self._closed  # while it was tried
                if not late:
                    path.ready, path.trouble = connection, ""
                    path.hold_at, path.holds = time.monotonic() + HOLD_AFTER_SECONDS, False
            if late:
                connection.close()
                return
            try:
                connection.start()
            except RuntimeError as error:  # no memory for a thread
                connection.close()
                path.ready = None
                problems.append(f"{way}: {error}")
                break
            self._changed()
            return
        trouble = "; ".join(problems)[:500]
        if trouble != path.trouble:
            path.trouble = trouble
            self._tell("link.not_reached", neighbour=path.peer.device, reason=trouble)

    def _ended(self, connection: Connection, reason: str) -> None:
        now = time.monotonic()
        for path in self._paths.values():
            with self._lock:
                was_used = path.used is connection
                if was_used:
                    if now - path.used_since >= _STEADY_SECONDS:
                        path.breaking = _delays()
                    path.used, path.tells = None, True
                    path.ask_at = now + next(path.breaking)
                elif path.ready is connection:
                    path.ready = None
            if was_used and not self._closed:
                self._say(path, connection.link, self._ours.usual, path.doubt or reason)
                path.doubt = ""
        self._changed()

    def _say(self, path: _Path, before: str, after: str, why: str) -> None:
        changed = {"from": before, "to": after}
        self._tell("link.changed", neighbour=path.peer.device, why=why, **changed)
