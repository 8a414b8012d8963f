"""Direct connections to clients on this host: answers leave by them, grants come back.

A client that asks is told where, and connects (`paceline.dataplane`). Its answers change over to
the connection when none is on its way, and are back on the broker's link in the moment it breaks.
"""

import threading
from collections.abc import Callable
from typing import Any, Final

import msgspec

from agent.channel import DirectAccess
from agent.worker import data_limit
from agent.worker.doorway import Doorway
from agent.worker.stage import Stage
from agent.worker.stats import Stats
from wire import link_names
from wire.buffers import Buffer
from wire.direct.connection import Connection, Events
from wire.direct.proving import Arrival, Door

MAX_CLIENTS: Final = 4
"""Connected at once; more of them go by the broker."""
STALL_SECONDS: Final = 0.5
"""A client that takes no byte for so long is left to the broker: others wait for their answers."""


class Ready(msgspec.Struct, eq=False):
    """A connection that stands."""

    connection: Connection
    used: bool = False
    """Whether answers go by it."""


class Answering:
    """The clients of a last stage that are connected.

    Args:
        stage: Where we are.
        access: Where they may connect to; None: nowhere.
        stats: What is counted: whoever is refused.
        granted: Called with each grant, in a reader thread.
        fault: Called with what ``granted`` raised.
        max_frame_bytes: Of what comes back.
    """

    def __init__(
        self,
        stage: Stage,
        access: DirectAccess | None,
        stats: Stats,
        granted: Callable[[Buffer], None],
        fault: Callable[[Exception], None],
        max_frame_bytes: int = 1 << 20,
    ) -> None:
        self._stage = stage
        self._max_frame_bytes = max_frame_bytes
        self._events = Events(receive=lambda _, data: granted(data), ended=self._ended, fault=fault)
        door = Door(
            address=stage.credit_address(),
            token=stage.assignment.peers.token,
            clients=True,
            stall_seconds=STALL_SECONDS,
        )
        wanted = link_names.DEFAULT if stage.downstream else stage.assignment.transfer.link
        self._doorway = Doorway(door, access, wanted, stage.clock, stats, self._arrived)
        self._changing = threading.Lock()
        self._ready: dict[str, Ready] = {}
        """By the address that the broker's link has for a client's answers."""
        self._closed = False

    def offers(self, client: str) -> dict[str, Any]:
        """Return what tells a client where it can connect to, and its token."""
        return self._doorway.offers_to_client(client)

    def to(self, address: str) -> Ready | None:
        """Return the connection to the client whose answers have this address."""
        return self._ready.get(address)

    def close(self) -> None:
        """Close everything; closing twice is harmless."""
        with self._changing:
            self._closed = True
            standing = list(self._ready.values())
        self._doorway.close()
        for ready in standing:
            ready.connection.close()

    def _arrived(self, arrival: Arrival) -> None:
        connection = Connection(
            arrival.stream,
            arrival.link,
            arrival.sender,
            self._events,
            self._max_frame_bytes,
            arena=arrival.arena,
        )
        address = self._stage.client_address(arrival.sender)
        with self._changing:
            before = self._ready.get(address)
            taken = not self._closed and (before is not None or self._has_room())
            if taken:
                self._ready[address] = Ready(connection)
        if before is not None:
            before.connection.close()  # it has given that one up, or it would not come again
        try:
            if taken:
                connection.start()
        except RuntimeError:  # no memory for a thread
            taken = False
        if not taken:  # its answers stay on the broker's link
            self._ended(connection, "")
            connection.close()

    def _has_room(self) -> bool:
        return len(self._ready) < MAX_CLIENTS and data_limit.has_room(data_limit.CLIENT_BYTES)

    def _ended(self, connection: Connection, _reason: str) -> None:
        address = self._stage.client_address(connection.peer)
        with self._changing:
            ready = self._ready.get(address)
            if ready is not None and ready.connection is connection:
                del self._ready[address]
