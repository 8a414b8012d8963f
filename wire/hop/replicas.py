"""One sender's hops to the replicas of one stage: which of them takes the next frame.

A frame goes to the replica that has the least to do and takes it now. What a replica holds that
does not answer is given to the others; it is asked on, and joins them again when it answers.

No I/O, no clock: ``now`` is monotonic seconds. Not for two threads at once; the caller locks.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from wire.hop import Grant, Heard, Lost, Position
from wire.hop.sender import HopSender

MAX_OUTSTANDING: Final = 1024
"""Frames sent to one replica that are not done; the oldest beyond is forgotten."""


Reached: TypeAlias = Callable[[str], bool]


class Taken(msgspec.Struct, frozen=True):
    """A frame that one of them takes."""

    address: str
    position: Position
    """To be put into its meta."""
    forgotten: list[Any]
    """Keys of older frames that are remembered no longer."""


class Due(NamedTuple):
    """What is to be done now."""

    probes: list[tuple[str, Position]]
    """Addresses, and what to ask there."""
    lost: list[Lost]
    """By silence, or to be given to other replicas."""
    unheard: list[Any]
    """Keys of frames to receivers that are gone: they may come back, but are not waited for."""


class Replicas:
    """Hops by address; one address is the usual case.

    Args:
        sender: The device or client that hears the grants.
        addresses: The replicas' lanes.
        draw: Returns a random number for each hop.
    """

    def __init__(self, sender: str, addresses: Iterable[str], draw: Callable[[], int]) -> None:
        self._hops: OrderedDict[str, HopSender] = OrderedDict(
            (address, HopSender(draw(), sender)) for address in addresses
        )

    def __bool__(self) -> bool:
        return bool(self._hops)

    @property
    def outstanding(self) -> int:
        """Frames that are not known to be done."""
        return sum(hop.outstanding for hop in self._hops.values())

    @property
    def suspects(self) -> list[str]:
        """Addresses that do not answer."""
        return [address for address, hop in self._hops.items() if hop.suspect]

    def all_arrived(self, address: str) -> bool:
        """Whether nothing is on its way to one of them."""
        return self._hops[address].all_arrived

    def position(self, address: str) -> Position:
        """Return how far we are with one of them."""
        return self._hops[address].position()

    def address(self, hop: int) -> str | None:
        """Return whose a hop is."""
        return next((a for a, sender in self._hops.items() if sender.hop == hop), None)

    def never_fits(self, size_bytes: int) -> bool:
        """Whether none of them takes a frame of this size, however long one waits."""
        return bool(self._hops) and all(h.never_fits(size_bytes) for h in self._hops.values())

    def roomy(self, size_bytes: int, reached: Reached | None = None) -> str | None:
        """Return the one to send to now; None: none takes it. Of those alike, the longest idle."""
        able = [
            (hop.outstanding, address)
            for address, hop in self._hops.items()
            if hop.covers(size_bytes)
            and (not hop.suspect or len(self._hops) == 1)
            and (reached is None or reached(address))
        ]
        return min(able, key=lambda item: item[0])[1] if able else None

    def _idle(self, size_bytes: int, reached: Reached | None) -> str | None:
        able = (a for a, hop in self._hops.items() if hop.covers_alone(size_bytes))
        return next((a for a in able if reached is None or reached(a)), None)

    def take(
        self,
        key: Any,
        size_bytes: int,
        *,
        alone: bool = False,
        reached: Reached | None = None,
    ) -> "Taken | None":
        """Register a frame that is sent to the one that is ``roomy``; None: none takes it now.

        Args:
            key: What is told of when it is lost, or done.
            size_bytes: Its size on the wire.
            alone: To one that has nothing else to run from us, and gets nothing else meanwhile.
            reached: Whether a frame can go to an address now; None: to each of them.
        """
        if len(self._hops) == 1 and not alone and reached is None:  # the usual: nothing to choose
            [(address, hop)] = self._hops.items()
        else:
            found = self._idle(size_bytes, reached) if alone else self.roomy(size_bytes, reached)
            if found is None:
                return None
            address, hop = found, self._hops[found]
            self._hops.move_to_end(address)
        position = hop.admit(key, size_bytes, alone=alone)
        if position is None:
            return None
        many = hop.outstanding > MAX_OUTSTANDING
        return Taken(address, position, hop.forgotten(beyond=MAX_OUTSTANDING) if many else [])

    def granted(self, grant: Grant) -> Heard:
        """Take a grant, whichever replica's it is."""
        for hop in self._hops.values():
            if hop.hop == grant.hop:
                return hop.granted(grant)
        return Heard([], [], [])

    def due(self, now: float, *, waiting: bool, up: bool) -> Due:
        """Return what is to be done now.

        Args:
            now: Monotonic seconds.
            waiting: A frame waits for credit.
            up: Whether they can hear us; if not, their silence means nothing.
        """
        due = Due([], [], [])
        several = len(self._hops) > 1
        others_answer = several and any(h.known and not h.suspect for h in self._hops.values())
        for address, hop in self._hops.items():
            if not up:
                hop.excuse()
            elif hop.suspect and others_answer:
                due.lost.extend(hop.abandoned())
            else:
                due.lost.extend(hop.lost_by_silence(now))
            asked = waiting or (several and (hop.suspect or not hop.known))
            position = hop.probe(now, waiting=asked)
            if position is not None:
                due.probes.append((address, position))
        return due
