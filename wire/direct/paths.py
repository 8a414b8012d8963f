"""Which way frames go to those that take them: the broker's link, or a direct connection.

Every hop begins on the broker's link. Where a direct one is wanted, the receiver is asked what
it offers, and a thread of its own tries that. A connection that stands is *ready*; the hop changes
to it at a moment when nothing is on its way (`Grant.arrived`), so nothing can overtake. When it
breaks, the hop is back on the broker's link at once; what was under way is found missing by its
positions and sent again (docs/adr/0017), and later the hop climbs again.

Where the broker is to see no frame, a hop has only its direct connection: while there is none, its
frames wait, and what is said of them goes by the broker (docs/adr/0032).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from wire import link_names
from wire.buffers import Buffer
from wire.direct import endpoint, proving
from wire.direct.connection import Connection, Events
from wire.direct.errors import EndpointError, HandshakeError
from wire.direct.path import Neighbour, Ours, Path
from wire.direct.proving import Key
from wire.errors import LinkDownError
from wire.links import Link

TRY_SECONDS: Final = 2.0
"""For each way that is offered."""
MAX_TRIES: Final = 8
_WAITING_OFFERS: Final = 64
MAX_GRANT_BYTES: Final = 1 << 20
"""Of what comes back, where that is grants."""


class Say(Protocol):
    """Told what changes, such as the log."""

    def __call__(self, event: str, /, **values: Any) -> None:
        """Take an event and what there is to know of it."""


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
        self._told = say
        self._max_frame_bytes = max_frame_bytes
        self._events = Events(receive=lambda _, data: receive(data), ended=self._ended)
        climbs = ours.wanted in link_names.DIRECT
        self.never_broker = ours.wanted == link_names.NEVER_BROKER
        """Whether frames wait for a direct connection, rather than go by the broker."""
        self._paths = {a: Path(p, self.never_broker) for a, p in neighbours.items() if climbs}
        self._lock = threading.Lock()
        self._offered: deque[tuple[str, Any, str]] = deque(maxlen=_WAITING_OFFERS)
        self._thread: threading.Thread | None = None
        """Tries what is offered; there while something is."""
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

    def carries(self, address: str) -> bool:
        """Whether a frame can go to this address: directly, or by the broker if it may."""
        return not self.never_broker or self.is_direct(address)

    @property
    def carries_some(self) -> bool:
        """Whether a frame can go to any address."""
        return not self.never_broker or any(p.used is not None for p in self._paths.values())

    def unreachable(self, since: float = float("-inf")) -> str:
        """Return why frames that may not go by the broker go nowhere; empty: they can, or may soon.

        Args:
            since: What was found before does not count; monotonic seconds.
        """
        if not self.never_broker or not all(p.given_up(since) for p in self._paths.values()):
            return ""
        return "; ".join(f"{p.peer.device}: {p.trouble}" for p in self._paths.values())

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
        if used is not None:
            used.send(buffers)
        elif self.never_broker:
            raise LinkDownError(link_names.NEVER_BROKER)
        else:
            self._link.send(address, buffers)

    def tell(self, address: str, buffers: Sequence[Buffer]) -> None:
        """Send what has no tensors the way that is used now, be that the broker's.

        Raises:
            LinkDownError: It was not sent, or may not have arrived.
        """
        if self.is_direct(address):
            self.send(address, buffers)
        else:
            self._link.send(address, buffers)

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
            asks = path.asks(now)
            if asks or path.tells:
                path.tells = False
                found.append(Due(address, asks))
        return found

    def offered(self, address: str, offers: Any, token: Any = None) -> None:
        """Take what a receiver offers, and the token that it told; any thread may call.

        Tried in a thread of its own.
        """
        path = self._paths.get(address)
        if path is None:
            return
        try:
            with self._lock:
                if self._closed:
                    return
                told = token if isinstance(token, str) else ""
                self._offered.append((address, offers, told))
                if self._thread is None or not self._thread.is_alive():
                    thread = threading.Thread(target=self._climb, daemon=True, name="direct paths")
                    thread.start()
                    self._thread = thread
        except RuntimeError as error:  # no memory for one: it is asked again
            self._offered.clear()
            now = time.monotonic()
            self._failed(path, str(error), now, now)

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
        held = [path.holds(now) for path in self._paths.values()]  # each of them is to ask
        return True in held

    def _switch(self, path: Path, now: float) -> None:
        with self._lock:
            used = path.switch(now)
        if used is not None:
            self._say(path, self._ours.usual, used.link, "it is reached directly")

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
            self._closed, thread = True, self._thread
        if thread is not None:
            thread.join(TRY_SECONDS)
        with self._lock:
            standing = [c for p in self._paths.values() for c in (p.ready, p.used) if c is not None]
        for connection in standing:
            connection.close()

    def _climb(self) -> None:
        while True:
            with self._lock:
                if self._closed or not self._offered:
                    self._thread = None
                    return
                address, offers, token = self._offered.popleft()
            path = self._paths[address]
            if path.used is None and path.ready is None:
                self._try(address, path, offers, token)

    def _try(self, address: str, path: Path, offers: Any, token: str) -> None:
        """Connect to the best that is offered and can be reached."""
        ours, began = self._ours, time.monotonic()
        key = Key(
            address=address,
            token=ours.token or token,
            sender=ours.sender,
            own_file=ours.own_file,
            certificate=path.peer.certificate,
        )
        offered, certified = endpoint.from_meta(offers), bool(key.own_file and key.certificate)
        ways = endpoint.ways(
            offered, address, link=ours.wanted, host=ours.host, has_certificates=certified
        )
        why = endpoint.why_none(offered, host=ours.host, has_certificates=certified)
        problems = [] if ways else [why]
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
                    path.stands(connection, time.monotonic())
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
        self._failed(path, "; ".join(problems)[:500], began, time.monotonic())

    def _failed(self, path: Path, trouble: str, began: float, now: float) -> None:
        if path.failed(trouble, began, now):
            self._told("link.not_reached", neighbour=path.peer.device, reason=trouble)

    def _ended(self, connection: Connection, reason: str) -> None:
        now = time.monotonic()
        for path in self._paths.values():
            with self._lock:
                was_used = path.ended(connection, now)
            if was_used and not self._closed:
                self._say(path, connection.link, self._ours.usual, path.doubt or reason)
                path.doubt = ""
        self._changed()

    def _say(self, path: Path, before: str, after: str, why: str) -> None:
        changed = {"from": before, "to": after}
        self._told("link.changed", neighbour=path.peer.device, why=why, **changed)
