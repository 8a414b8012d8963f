"""A `Link` between processes of one host that meet in a folder: for measuring and for tests.

A pipeline's workers do not use it: they find each other over the broker (`agent.worker.direct`).
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from wire.buffers import Buffer
from wire.byte_stream import ByteStream
from wire.direct import proving
from wire.direct.arena import ArenaReader, ArenaWriter
from wire.direct.connection import Connection, Events
from wire.direct.endpoint import Way
from wire.direct.errors import EndpointError, HandshakeError
from wire.direct.proving import Arrival, Door, Key
from wire.direct.server import HANDSHAKE_SECONDS, Server
from wire.errors import LinkDownError
from wire.links import LinkOptions, Meeting, Receive

_ANYBODY: Final = "link"
"""Who knows the token may send; nobody has a name."""


class DirectLink(ABC):
    """Listens on one socket for each address; connects to an address when it first sends there."""

    name: str
    """The plugin's."""
    reads_on = False

    def __init__(self, options: LinkOptions) -> None:
        self._options = options
        self._listeners: dict[str, Receive] = {}
        self._servers: list[Server] = []
        self._arrived: set[Connection] = set()
        self._connections: dict[str, Connection] = {}
        self._changing = threading.Lock()
        self._up = False

    @abstractmethod
    def open(self, meeting: Meeting, address: str, door: Door) -> Server:
        """Return a server for an address, found by others with `find`."""

    @abstractmethod
    def find(self, meeting: Meeting, address: str) -> Way:
        """Return where an address is served.

        Raises:
            EndpointError: Nowhere.
        """

    @property
    def up(self) -> bool:
        """Whether the link was started and not closed."""
        return self._up

    def start(self, timeout_seconds: float) -> None:  # noqa: ARG002 the port's shape
        """See ``Link``.

        Raises:
            EndpointError: An address cannot be listened to, or no folder was named.
        """
        meeting = self._meeting()
        for address in self._listeners:
            door = Door(address=address, token=meeting.token, senders={_ANYBODY: None})
            server = self.open(meeting, address, door)
            self._servers.append(server)
            server.start()
        self._up = True
        self._options.on_up()

    def listen(self, address: str, receive: Receive) -> None:
        """See ``Link``."""
        self._listeners[address] = receive

    def send(self, address: str, buffers: Sequence[Buffer]) -> None:
        """See ``Link``."""
        connection = self._connections.get(address)
        if connection is None or not connection.up:
            connection = self._connected(address)
        connection.send(buffers)

    def close(self) -> None:
        """See ``Link``."""
        self._up = False
        for server in self._servers:
            server.close()
        with self._changing:
            standing = [*self._arrived, *self._connections.values()]
        for connection in standing:
            connection.close()

    def welcome(self, address: str, arrival: Arrival) -> None:
        """Take frames for an address from whoever has proved itself."""
        receive = self._listeners[address]
        events = Events(
            receive=lambda _, frame: receive(address, frame),
            ended=lambda connection, _: self._arrived.discard(connection),
            fault=self._options.on_fault,
        )
        connection = self._made(arrival.stream, arrival.sender, events, arrival.arena)
        with self._changing:
            self._arrived.add(connection)
        connection.start()
        if not self._up:
            connection.close()

    def _connected(self, address: str) -> Connection:
        """Return a new connection to an address.

        Raises:
            LinkDownError: It cannot be reached.
        """
        with self._changing:
            if not self._up:
                raise LinkDownError(self.name)
            meeting = self._meeting()
            key = Key(address=address, token=meeting.token, sender=_ANYBODY)
            try:
                way = self.find(meeting, address)
                met = proving.connect(way, key, HANDSHAKE_SECONDS)
            except (EndpointError, HandshakeError) as error:
                raise LinkDownError(f"{self.name} to {address}") from error
            connection = self._made(met.stream, address, Events(receive=lambda *_: None), met.arena)
            connection.start()
            self._connections[address] = connection
            return connection

    def _made(
        self,
        stream: ByteStream,
        peer: str,
        events: Events,
        arena: ArenaReader | ArenaWriter | None,
    ) -> Connection:
        limit = self._options.max_frame_bytes
        return Connection(stream, self.name, peer, events, limit, arena=arena)

    def _meeting(self) -> Meeting:
        if self._options.meeting is None:
            raise EndpointError(self.name, "no folder to meet in was named")
        return self._options.meeting


def folder_of(meeting: Meeting) -> Path:
    """Return the folder to meet in, made where it is missing.

    Raises:
        EndpointError: It cannot be made.
    """
    try:
        meeting.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EndpointError(str(meeting.folder), error.strerror or str(error)) from error
    return meeting.folder
