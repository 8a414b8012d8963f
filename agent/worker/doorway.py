"""A lane's door to direct connections, and those that came in by it.

Opened when somebody asks for it; one connection for each sender, and few for clients.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import msgspec
import structlog

from agent.channel import DirectAccess
from agent.worker import data_limit, own_addresses
from agent.worker.stats import Stats
from wire import link_names
from wire.direct import endpoint, sockets
from wire.direct.connection import Connection, Events
from wire.direct.endpoint import LOOPBACK, Endpoint, Tcp, Uds
from wire.direct.errors import EndpointError, HandshakeError
from wire.direct.handshake import client_token
from wire.direct.proving import Arrival, Door
from wire.direct.server import Server

log = structlog.get_logger()

MAX_CLIENTS: Final = 4
"""Connected at once; more of them go by the broker."""


class Doorway:
    """Where those who may can connect to.

    Args:
        door: The lane, and who may connect.
        access: Where it may be opened on this device; None: nowhere.
        wanted: What says which are offered: see `wire.link_names`. Of the broker: none is.
        host: `wire.clock.clock_id`.
        stats: What is counted: whoever is refused.
        events: Of the connections.
        max_frame_bytes: A larger frame ends its connection.
        works: Whether what is received may return work.
    """

    def __init__(  # noqa: PLR0913 what a door has to know
        self,
        door: Door,
        access: DirectAccess | None,
        wanted: str,
        host: str,
        stats: Stats,
        events: Events,
        max_frame_bytes: int,
        *,
        works: bool = False,
    ) -> None:
        self._door = door
        self._access = access if wanted in link_names.DIRECT and door.token else None
        self._wanted = wanted
        self._host = host
        self._stats = stats
        self._told_end = events.ended
        self._events = replace(events, ended=self._ended)
        self._max_frame_bytes = max_frame_bytes
        self._works = works
        self._changing = threading.Lock()
        self._standing: dict[str, Connection] = {}
        self._servers: list[Server] = []
        self._offers: list[Endpoint] | None = None
        self._closed = False

    def offers(self) -> list[Any]:
        """Return where one can connect to, as a frame's meta says it; opened when first asked."""
        with self._changing:
            if self._offers is None and not self._closed:
                self._offers = []  # whatever happens, it is opened once
                self._open(self._offers)
            return endpoint.to_meta([self._now(offer) for offer in self._offers or ()])

    def offers_to_client(self, client: str) -> dict[str, Any]:
        """Return the meta of what answers a client that asks: the offers, and its token.

        Where it would find no room nothing is opened for it.
        """
        with self._changing:
            fits = client in self._standing or self._has_room()
        offers = self.offers() if fits else []
        if not offers:
            return {"offers": []}
        token = client_token(self._door.token, self._door.address, client)
        return {"offers": offers, "token": token}

    def connection(self, sender: str) -> Connection | None:
        """Return the connection of a sender."""
        return self._standing.get(sender)

    def close(self) -> None:
        """Close it, and every connection; closing twice is harmless."""
        with self._changing:
            self._closed = True
            standing = list(self._standing.values())
        for server in self._servers:
            server.close()
        for connection in standing:
            connection.close()
        if self._servers and self._access is not None:
            path = self._access.folder / endpoint.socket_name(self._door.address)
            with contextlib.suppress(OSError):
                path.unlink()

    def _open(self, made: list[Endpoint]) -> None:
        access = self._access
        if access is None:
            return
        if link_names.tries(self._wanted, "uds"):
            with _told():
                self._serve(sockets.listen_uds(access.folder, self._door.address))
                made.append(Uds(folder=str(access.folder), host=self._host))
        if link_names.tries(self._wanted, "tcp") and access.host is not None:
            with _told():
                port = self._serve(self._listen_tcp(access, access.host))
                made.append(Tcp(addresses=self._addresses(access), port=port, host=self._host))

    def _listen_tcp(self, access: DirectAccess, host: str) -> socket.socket:
        if self._door.clients:  # without certificates they come from this host alone
            return sockets.listen_tcp(LOOPBACK, 0, 0)
        return sockets.listen_tcp(host, access.first_port, access.last_port)

    def _addresses(self, access: DirectAccess) -> tuple[str, ...]:
        if self._door.clients or access.host is None:
            return (LOOPBACK,)
        return access.addresses or own_addresses.of(access.host)

    def _now(self, offer: Endpoint) -> Endpoint:
        """Return an offer with the addresses that this device has by now."""
        if not isinstance(offer, Tcp) or self._access is None:
            return offer
        return msgspec.structs.replace(offer, addresses=self._addresses(self._access))

    def _serve(self, listener: socket.socket) -> int:
        server = Server(listener, self._door, self._arrived, self._refused)
        try:
            server.start()
        except RuntimeError as error:  # no memory for a thread
            server.close()
            raise EndpointError(self._door.address, str(error)) from error
        self._servers.append(server)
        return server.port

    def _arrived(self, arrival: Arrival) -> None:
        connection = Connection(
            arrival.stream,
            arrival.link,
            arrival.sender,
            self._events,
            self._max_frame_bytes,
            works=self._works,
            arena=arrival.arena,
        )
        with self._changing:
            before = self._standing.get(arrival.sender)
            taken = not self._closed and (before is not None or self._has_room())
            if taken:
                self._standing[arrival.sender] = connection
        if before is not None:
            before.close()  # its sender has given it up, or it would not come again
        try:
            if taken:
                connection.start()
        except RuntimeError:  # no memory for a thread
            taken = False
        if not taken:  # its sender stays on the broker's link
            connection.close()
            self._forget(connection)

    def _has_room(self) -> bool:
        """Whether one more may connect: every neighbour may, and so many clients."""
        if not self._door.clients:
            return True
        return len(self._standing) < MAX_CLIENTS and data_limit.has_room(data_limit.CLIENT_BYTES)

    def _ended(self, connection: Connection, reason: str) -> None:
        self._forget(connection)
        self._told_end(connection, reason)

    def _forget(self, connection: Connection) -> None:
        with self._changing:
            if self._standing.get(connection.peer) is connection:
                del self._standing[connection.peer]

    def _refused(self, error: HandshakeError) -> None:
        self._stats.refused(error.code)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Go on without what cannot be opened."""
    try:
        yield
    except EndpointError as error:
        log.warning("link.not_offered", reason=str(error))
