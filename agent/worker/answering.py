"""Direct connections to clients on this host: answers leave by them, grants come back.

A client that asks is told where, and connects (`paceline.dataplane`). Its answers change over to
the connection when none is on its way, and are back on the broker's link in the moment it breaks;
or wait for the next one, where the broker may not carry them.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from agent.channel import DirectAccess
from agent.worker.doorway import Doorway
from agent.worker.hops import MAX_CLIENTS
from agent.worker.stage import Stage
from agent.worker.stats import Stats
from wire.buffers import Buffer
from wire.direct.connection import Connection, Events
from wire.direct.path import PATIENCE_SECONDS
from wire.direct.paths import MAX_GRANT_BYTES
from wire.direct.proving import Door

STALL_SECONDS: Final = 0.5
"""A client that takes no byte for so long goes by the broker: others wait behind it."""


class Answering:
    """The clients of a last stage that are connected.

    Args:
        stage: Where we are.
        access: Where they may connect to; None: nowhere.
        stats: What is counted: whoever is refused.
        granted: Called with each grant, in a reader thread.
        fault: Called with what ``granted`` raised.
    """

    def __init__(
        self,
        stage: Stage,
        access: DirectAccess | None,
        stats: Stats,
        granted: Callable[[Buffer], None],
        fault: Callable[[Exception], None],
    ) -> None:
        token = stage.assignment.peers.token
        door = Door(
            address=stage.credit_address(),
            token=token,
            clients=True,
            arena=False,
            stall_seconds=STALL_SECONDS,
        )
        wanted = stage.assignment.transfer.link
        events = Events(receive=lambda _, data: granted(data), ended=self._ended, fault=fault)
        self._doorway = Doorway(door, access, wanted, stage.clock, stats, events, MAX_GRANT_BYTES)
        self._client_of = lru_cache(MAX_CLIENTS)(
            lambda address: stage.site.parse(address).names.get("client", "")
        )
        self._missed: OrderedDict[str, float] = OrderedDict()
        """Since when a client's answers wait for a connection of it; monotonic seconds."""
        self._used: dict[str, Connection] = {}
        """What each client's answers go by now; not here: the broker."""

    def offers(self, client: str) -> dict[str, Any]:
        """Return what tells a client where it can connect to, and its token."""
        return self._doorway.offers_to_client(client)

    def to(self, address: str, may_change: Callable[[str], bool]) -> Connection | None:
        """Return what an answer goes by; None: the broker. The sending thread calls it.

        Args:
            address: Where the broker would have it.
            may_change: Asked, of this address, whether it may change over to its connection.
        """
        client = self._client_of(address)
        connection = self._doorway.connection(client)
        if connection is None or self._used.get(client) is connection:
            return connection
        if not may_change(address):
            return None
        self._used[client] = connection
        if not connection.up:  # it ended meanwhile, and its end may have been told before
            self._used.pop(client, None)
            return None
        self._missed.pop(client, None)
        return connection

    def misses(self, client: str, now: float) -> bool:
        """Whether a client's answers have waited too long for a connection of it.

        Args:
            client: Its id.
            now: Monotonic seconds.
        """
        if self._doorway.connection(client) is not None:
            self._missed.pop(client, None)
            return False
        since = self._missed.setdefault(client, now)
        if len(self._missed) > MAX_CLIENTS:
            self._missed.popitem(last=False)
        return now - since >= PATIENCE_SECONDS

    def close(self) -> None:
        """Close everything; closing twice is harmless."""
        self._doorway.close()

    def _ended(self, connection: Connection, _reason: str) -> None:
        if self._used.get(connection.peer) is connection:
            self._used.pop(connection.peer, None)
