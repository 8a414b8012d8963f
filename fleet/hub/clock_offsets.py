"""How clocks of devices stand to each other, from frames that went around. Pure.

Each hop tells: the receiver had the frame no earlier than the sender let it go. By the two clocks,
that bounds the difference of their offsets from one side; a frame that comes back to its client
bounds it from the other. Of many frames the fastest bounds it best. What is left between the two
bounds is the error, and the middle is the estimate: right where both ways take equally long.

Source: the bounds are those of a system of difference constraints, solved by shortest paths, as in
D. Mills, "Internet Time Synchronization: the Network Time Protocol" (1991), for a chain of clocks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

DRIFT_RATIO: Final = 6e-4
"""Two clocks differ by less than this in speed: quartz by 100 ppm, and one that is being set right
by 500 ppm. So an old bound is loosened with its age."""
REMEMBERED_SECONDS: Final = 60.0
MAX_PAIRS: Final = 256
_BUCKETS: Final = 6


class Offset(NamedTuple):
    """A clock minus the one it is compared with, in nanoseconds."""

    nanoseconds: float
    error_nanoseconds: float
    """The true offset is within this of it."""


@dataclass(slots=True)
class _Bound:
    """The least delays from one clock to another, in time slots; a slot is forgotten as a whole."""

    slots: dict[int, int]


class ClockOffsets:
    """Learns from hops; asked for the offset of any clock to any other."""

    def __init__(self) -> None:
        self._bounds: dict[tuple[str, str], _Bound] = {}

    def hop(self, sent_by: str, sent: int, had_by: str, had: int, now: float) -> None:
        """Learn from one hop: ``sent`` and ``had`` by the two clocks, ``now`` monotonic seconds."""
        if sent_by == had_by:
            return
        if (sent_by, had_by) not in self._bounds and len(self._bounds) >= MAX_PAIRS:
            self._forget(now)
            if len(self._bounds) >= MAX_PAIRS:
                return
        bound = self._bounds.setdefault((sent_by, had_by), _Bound({}))
        slot = _slot(now)
        for old in [s for s in bound.slots if s <= slot - _BUCKETS]:
            del bound.slots[old]
        bound.slots[slot] = min(had - sent, bound.slots.get(slot, had - sent))

    def offset(self, clock: str, to: str, now: float) -> Offset | None:
        """Return ``clock`` minus ``to``; None: no frame went there and back."""
        if clock == to:
            return Offset(0.0, 0.0)
        delays = self._delays(now)
        most, least = _distance(delays, to, clock), _distance(delays, clock, to)
        if most is None or least is None or most + least < 0:  # they contradict each other
            return None
        return Offset((most - least) / 2, (most + least) / 2)

    def _delays(self, now: float) -> dict[tuple[str, str], float]:
        slot, delays = _slot(now), {}
        for pair, bound in self._bounds.items():
            loosened = [
                delay + DRIFT_RATIO * 1e9 * (slot - at) * REMEMBERED_SECONDS / _BUCKETS
                for at, delay in bound.slots.items()
                if at > slot - _BUCKETS
            ]
            if loosened:
                delays[pair] = min(loosened)
        return delays

    def _forget(self, now: float) -> None:
        oldest = _slot(now) - _BUCKETS
        for pair in [p for p, b in self._bounds.items() if all(s <= oldest for s in b.slots)]:
            del self._bounds[pair]


def _slot(now: float) -> int:
    return int(now * _BUCKETS / REMEMBERED_SECONDS)


def _distance(delays: Mapping[tuple[str, str], float], source: str, target: str) -> float | None:
    """Return the least sum of delays from one clock to another (Bellman and Ford)."""
    best = {source: 0.0}
    for _ in range(len(_names(delays))):
        changed = False
        for (sent_by, had_by), delay in delays.items():
            if sent_by in best and best[sent_by] + delay < best.get(had_by, float("inf")):
                best[had_by] = best[sent_by] + delay
                changed = True
        if not changed:
            break
    return best.get(target)


def _names(pairs: Iterable[tuple[str, str]]) -> set[str]:
    return {name for pair in pairs for name in pair}
