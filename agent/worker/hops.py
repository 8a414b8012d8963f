"""The hops that leave a worker: with credit to the replicas of the next stage, without to clients.

No I/O. Grants come in reader threads, all else is done by one thread at a time: who does a
departure or a tick (`agent.worker.departures`).
"""

import threading
from collections import OrderedDict
from typing import Any, Final

from agent.worker.stage import Stage
from wire.hop import Grant, Heard, Position
from wire.hop.replicas import Due, Reached, Replicas, Taken
from wire.hop.sender import HopSender
from wire.random_number import random_number

MAX_CLIENTS: Final = 2048
REMEMBERED_RESULTS: Final = 256
"""Frames sent to one client of which nothing was heard; older ones are forgotten."""
REMEMBERED_IN_ALL: Final = 16384
"""The same for all clients together; beyond it who got nothing for longest is forgotten."""
LOOK_SECONDS: Final = 0.1
"""How often it is asked which clients are due: not for each frame, for there may be many."""


class Hops:
    """All hops of one worker as a sender, by address."""

    def __init__(self, stage: Stage) -> None:
        self.heard = 0
        """Grants heard, so that none is missed between a look and a wait."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waits = False
        self._device = stage.device
        addresses = [stage.next_address(peer) for peer in stage.downstream]
        self._next = Replicas(stage.device, addresses, random_number)
        self._clients: OrderedDict[str, HopSender] = OrderedDict()
        self._clients_by_hop: dict[int, HopSender] = {}
        self._without_broker: dict[str, HopSender] = {}
        """Those of clients that were sent something which no broker keeps for them."""
        self._remembered = 0
        self._looked_at = float("-inf")

    @property
    def settled(self) -> bool:
        """Whether the next stage has finished all, and clients have what they were sent directly.

        Not who is silent for long: it has gone, or hears it when it is too late.
        """
        with self._lock:
            awaited = any(hop.awaited for hop in self._without_broker.values())
            return not (self._next.outstanding or awaited)

    def suspects(self, now: float) -> tuple[str, ...]:
        """Return the addresses of neighbours that do not answer."""
        with self._lock:
            # a client that stays silent has gone, and is nobody's trouble
            clients = [a for a, hop in self._clients.items() if hop.suspect and not hop.silent(now)]
            return (*self._next.suspects, *clients)

    def all_arrived(self, address: str) -> bool:
        """Whether nothing is on its way to a replica of the next stage."""
        with self._lock:
            return self._next.all_arrived(address)

    def nothing_on_its_way_to_client(self, address: str) -> bool:
        """Whether a client has told that all came that it was sent."""
        with self._lock:
            hop = self._clients.get(address)
            return hop is None or hop.all_arrived

    def position(self, address: str) -> Position:
        """Return how far we are with a replica of the next stage."""
        with self._lock:
            return self._next.position(address)

    def address(self, hop: int) -> str | None:
        """Return the replica of the next stage whose grants name this hop."""
        with self._lock:
            return self._next.address(hop)

    def never_fits(self, size_bytes: int) -> bool:
        """Whether no replica of the next stage takes such a frame."""
        with self._lock:
            return self._next.never_fits(size_bytes)

    def take(
        self, key: Any, size_bytes: int, *, alone: bool = False, reached: Reached | None = None
    ) -> Taken | None:
        """Register a frame that is sent to the next stage now; None: no replica takes it.

        ``alone``, ``reached``: See `wire.hop.replicas`.
        """
        with self._lock:
            return self._next.take(key, size_bytes, alone=alone, reached=reached)

    def sent_to_client(
        self, address: str, key: Any, size_bytes: int, *, directly: bool = False
    ) -> tuple[Position, list[Any]]:
        """Register a frame to a client; returns its position and keys now forgotten."""
        with self._lock:
            hop = self._clients.get(address)
            if hop is None:
                hop = HopSender(random_number(), self._device, credited=False)
                self._clients[address] = self._clients_by_hop[hop.hop] = hop
            self._clients.move_to_end(address)
            if directly:
                self._without_broker[address] = hop
            position = hop.sent(key, size_bytes)
            gone = hop.forgotten(beyond=REMEMBERED_RESULTS)
            self._remembered += 1 - len(gone)
            while len(self._clients) > MAX_CLIENTS or self._remembered > REMEMBERED_IN_ALL:
                gone_address, idle = self._clients.popitem(last=False)
                del self._clients_by_hop[idle.hop]
                self._without_broker.pop(gone_address, None)
                self._remembered -= idle.outstanding
                gone += idle.forgotten(beyond=0)
            return position, gone

    def granted(self, grant: Grant) -> Heard:
        """Take a grant, whichever hop it is for."""
        with self._lock:
            client = self._clients_by_hop.get(grant.hop)
            if client is None:
                heard = self._next.granted(grant)
            else:
                self._remembered -= client.outstanding
                heard = client.granted(grant)
                self._remembered += client.outstanding
            self.heard += 1
            if self._waits:  # a condition's own look at who waits costs three functions
                self._changed.notify_all()
        return heard

    def wait(self, heard: int, seconds: float) -> None:
        """Wait for a grant after the first ``heard`` ones."""
        with self._lock:
            if self.heard == heard:
                self._waits = True
                self._changed.wait(seconds)
                self._waits = False

    def due(self, now: float, *, waiting: bool, up: bool) -> Due:
        """Return the probes to send, and what neighbours have lost; see `wire.hop.replicas`."""
        with self._lock:
            due = self._next.due(now, waiting=waiting, up=up)
            if now - self._looked_at < LOOK_SECONDS:
                return due
            self._looked_at = now
            for address, hop in self._clients.items():
                if not up:
                    hop.excuse()
                elif hop.silent(now):
                    # gone, or its link is down: no longer asked, but what it was sent is kept, for
                    # with the next result it may be there again and know what it has missed
                    due.unheard.extend(hop.given_up())
                    continue
                position = hop.probe(now)
                if position is not None:
                    due.probes.append((address, position))
        return due
