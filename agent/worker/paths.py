"""Which way frames go to the next stage: the broker's link, or a direct connection.

Every hop begins on the broker's link. Where the assignment allows it, the receiver is asked what
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from agent.channel import DirectAccess
from agent.worker.stage import Stage
from wire import backoff, link_names
from wire.buffers import Buffer
from wire.direct import endpoint, pinned, proving
from wire.direct.connection import Connection, Events
from wire.direct.errors import EndpointError, HandshakeError
from wire.direct.proving import Key
from wire.links import Link, Receive
from wire.messages import Peer

log = structlog.get_logger()

TRY_SECONDS: Final = 2.0
"""For each way that is offered."""
MAX_TRIES: Final = 8
_FIRST_SECONDS: Final = 1.0
_LONGEST_SECONDS: Final = 60.0
_STEADY_SECONDS: Final = 60.0
"""A connection that stood for so long is a good one: after it, waiting begins anew."""
_WAITING_OFFERS: Final = 64


def _delays() -> Iterator[float]:
    return backoff.delays(_FIRST_SECONDS, _LONGEST_SECONDS, random.Random())  # noqa: S311 it spreads retries


@dataclass(slots=True)
class _Path:
    """One hop's."""

    peer: Peer
    asking: Iterator[float] = field(default_factory=_delays)
    """Seconds between two questions."""
    breaking: Iterator[float] = field(default_factory=_delays)
    """Seconds from a break to the next question."""
    ready: Connection | None = None
    used: Connection | None = None
    used_since: float = 0.0
    ask_at: float = 0.0
    """When to ask for offers; monotonic seconds."""
    broke: bool = False
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
    """The ways to all replicas of the next stage.

    Args:
        stage: Where we are.
        link: The broker's.
        access: What we may use on this device; None: the broker's link alone.
        receive: Takes grants that come back on a connection.
        changed: Called, in any thread, when ``due`` or ``switch`` have something to do.
        max_frame_bytes: Of what comes back.
    """

    def __init__(
        self,
        stage: Stage,
        link: Link,
        access: DirectAccess | None = None,
        receive: Receive = lambda *_: None,
        changed: Callable[[], None] = lambda: None,
        max_frame_bytes: int = 1 << 20,
    ) -> None:
        self._stage = stage
        self._link = link
        self._access = access
        self._changed = changed
        self._max_frame_bytes = max_frame_bytes
        credit_address = stage.credit_address()
        self._events = Events(
            receive=lambda _, data: receive(credit_address, data), ended=self._ended
        )
        wanted = stage.assignment.transfer.link in link_names.DIRECT and bool(
            stage.assignment.peers.token
        )
        self._paths = {
            stage.next_address(peer): _Path(peer)
            for peer in (stage.downstream if wanted and access is not None else ())
        }
        self._lock = threading.Lock()
        self._offered: queue.Queue[tuple[str, Any] | None] = queue.Queue(_WAITING_OFFERS)
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

    def links(self) -> dict[str, str]:
        """Return which link is used to each device of the next stage."""
        usual = self._usual
        direct = {path.peer.device: path.used.link for path in self._paths.values() if path.used}
        return {peer.device: direct.get(peer.device, usual) for peer in self._stage.downstream}

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

    def due(self, now: float) -> list[Due]:
        """Return which receivers to tell our position on the broker's link."""
        found = []
        for address, path in self._paths.items():
            asks = path.used is None and path.ready is None and now >= path.ask_at
            if asks:
                path.ask_at = now + next(path.asking)
            if asks or path.broke:
                path.broke = False
                found.append(Due(address, asks))
        return found

    def offered(self, address: str, offers: Any) -> None:
        """Take what a receiver offers; tried in a thread of its own. Any thread may call."""
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
            self._offered.put_nowait((address, offers))

    def switch(self, address: str, now: float, all_arrived: Callable[[], bool]) -> None:
        """Use what is ready, if nothing is on its way; the sending thread calls it."""
        path = self._paths.get(address)
        if path is None or path.ready is None or not all_arrived():
            return
        with self._lock:
            if path.ready is None:
                return  # it has just ended
            path.used, path.ready, path.used_since = path.ready, None, now
            link = path.used.link
        self._say(path, self._usual, link, "it is reached directly")

    @property
    def some_ready(self) -> bool:
        """Whether ``switch`` may have something to do."""
        for path in self._paths.values():  # noqa: SIM110 no generator for each frame
            if path.ready is not None:
                return True
        return False

    def ready(self) -> list[str]:
        """Return the addresses that could be switched."""
        return [address for address, path in self._paths.items() if path.ready is not None]

    def doubt(self, address: str) -> None:
        """Give up a connection on which nobody answers."""
        path = self._paths.get(address)
        used = path.used if path is not None else None
        if path is not None and used is not None:
            path.doubt = "the neighbour does not answer on it"
            used.close()

    def close(self) -> None:
        """Close every connection; closing twice is harmless."""
        self._closed = True
        if self._thread is not None:
            with contextlib.suppress(queue.Full):
                self._offered.put_nowait(None)
            self._thread.join(TRY_SECONDS)
        with self._lock:
            standing = [c for p in self._paths.values() for c in (p.ready, p.used) if c is not None]
        for connection in standing:
            connection.close()

    @property
    def _usual(self) -> str:
        return link_names.brokered(self._stage.assignment.transfer.link)

    def _climb(self) -> None:
        while not self._closed and (item := self._offered.get()) is not None:
            address, offers = item
            path = self._paths[address]
            if path.used is None and path.ready is None:
                self._try(address, path, offers)

    def _try(self, address: str, path: _Path, offers: Any) -> None:
        """Connect to the best that is offered and can be reached."""
        access, assignment = self._access, self._stage.assignment
        assert access is not None, "without access nobody is asked"
        key = Key(
            address=address,
            token=assignment.peers.token,
            sender=self._stage.device,
            own_file=access.certificate_file,
            certificate=pinned.der(path.peer.certificate),
        )
        ways = endpoint.ways(
            endpoint.from_meta(offers),
            address,
            link=assignment.transfer.link,
            host=self._stage.clock,
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
                path.ready, path.trouble, path.asking = connection, "", _delays()
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
            log.info("link.not_reached", neighbour=path.peer.device, reason=trouble)

    def _ended(self, connection: Connection, reason: str) -> None:
        now = time.monotonic()
        for path in self._paths.values():
            with self._lock:
                was_used = path.used is connection
                if was_used:
                    if now - path.used_since >= _STEADY_SECONDS:
                        path.breaking = _delays()
                    path.used, path.broke = None, True
                    path.ask_at = now + next(path.breaking)
                elif path.ready is connection:
                    path.ready = None
            if was_used and not self._closed:
                self._say(path, connection.link, self._usual, path.doubt or reason)
                path.doubt = ""
        self._changed()

    def _say(self, path: _Path, before: str, after: str, why: str) -> None:
        changed = {"from": before, "to": after}
        log.info("link.changed", neighbour=path.peer.device, why=why, **changed)
