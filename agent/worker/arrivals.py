"""Direct connections from whoever sends to us: opened when one asks, closed to everybody else.

Frames come in by the broker and by direct connections, one at a time; grants go back the way their
sender was heard last, so that they reach it when a connection is dead and nobody noticed.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from agent.channel import DirectAccess
from agent.worker.doorway import Doorway
from agent.worker.stage import Stage
from agent.worker.stats import Stats
from wire import link_names
from wire.buffers import Buffer
from wire.direct import pinned
from wire.direct.connection import Connection, Events
from wire.direct.proving import STALL_SECONDS, Door
from wire.errors import LinkDownError
from wire.links import Link
from wire.reading import Work

CLIENT_STALL_SECONDS: Final = 0.01
"""Grants are small: a client that leaves no room for the next reads none, and others wait."""
_NOBODY: Final = 0


class Take(Protocol):
    """See `agent.worker.intake.Intake.take`."""

    def __call__(self, data: Buffer, *, may_work: bool) -> Work | None:
        """Take a frame's bytes, which belong to it from then on."""


class Arrivals:
    """Where a worker's frames come from.

    Args:
        stage: Where we are.
        link: The broker's, which calls `take`.
        access: Where it may be connected to; None: nowhere.
        stats: What is counted: whoever is refused.
        take: Called with each frame, one at a time, and whether it may return work; must not block.
        fault: Called with what ``take`` raised.
        max_frame_bytes: A larger frame ends its connection.
    """

    def __init__(
        self,
        stage: Stage,
        link: Link,
        access: DirectAccess | None,
        stats: Stats,
        take: Take,
        fault: Callable[[Exception], None],
        max_frame_bytes: int,
    ) -> None:
        self._stage = stage
        self._link = link
        self._take = take
        self._taking = threading.Lock()
        self._thread = _NOBODY
        """The thread that is in ``take``."""
        self._by: Connection | None = None
        """What the frame in ``take`` came by; None: the broker."""
        self._heard: dict[str, Connection] = {}
        """What each sender was heard by last; not here: the broker."""
        peers, transfer = stage.assignment.peers, stage.assignment.transfer
        door = Door(
            address=stage.inbox_address(),
            token=peers.token,
            senders={peer.device: pinned.der(peer.certificate) for peer in peers.upstream},
            own_file=access.certificate_file if access is not None else None,
            clients=not peers.upstream,
            stall_seconds=STALL_SECONDS if peers.upstream else CLIENT_STALL_SECONDS,
        )
        wanted = link_names.AUTO if peers.upstream else transfer.entry
        events = Events(receive=self._take_by, ended=self._ended, fault=fault)
        self._doorway = Doorway(
            door, access, wanted, stage.clock, stats, events, max_frame_bytes, works=True
        )

    def by_broker(self) -> bool:
        """Whether the frame that is being taken came by the broker."""
        return self._by is None

    def take(self, _address: str, data: Buffer) -> Work | None:
        """Take one frame's bytes from the broker's link; see `wire.links.Receive`."""
        return self._take_by(None, data)

    def send(self, sender: str, buffers: Sequence[Buffer]) -> bool:
        """Send a grant to the sender of our lane; False: it has to go through the broker."""
        by = self._by
        if self._thread == threading.get_ident() and (by is None or by.peer == sender):
            self._note(sender, by)  # it asked, and is answered where it asked
        connection = self._heard.get(sender)
        if connection is None:
            return False
        try:
            connection.send(buffers)
        except LinkDownError:
            return False
        return True

    def offers(self, sender: str) -> dict[str, Any]:
        """Return what tells a sender where it can connect to; opened when this is first asked.

        A client is told its token, too: whoever hears this may send to us anyway.
        """
        if self._stage.upstream:
            return {"offers": self._doorway.offers()}
        return self._doorway.offers_to_client(sender)

    def close(self) -> None:
        """Close everything; closing twice is harmless."""
        self._doorway.close()

    def _take_by(self, connection: Connection | None, data: Buffer) -> Work | None:
        with self._taking:  # while a sender changes its link, what it sent by both may come
            self._thread, self._by = threading.get_ident(), connection
            if connection is None:
                may_work = self._link.reads_on
            else:
                may_work = connection.readers.several
                if connection.up:
                    self._heard[connection.peer] = connection
            try:
                return self._take(data, may_work=may_work)
            finally:
                self._thread, self._by = _NOBODY, None

    def _note(self, sender: str, connection: Connection | None) -> None:
        if connection is None:
            self._heard.pop(sender, None)
        elif connection.up:
            self._heard[sender] = connection

    def _ended(self, connection: Connection, _reason: str) -> None:
        if self._heard.get(connection.peer) is connection:
            self._heard.pop(connection.peer, None)
