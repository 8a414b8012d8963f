"""What goes, and in which order: what is too old, then what there is no room for."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from fleet.hub.store.schema import SLOT_SECONDS, Holds

RAW_SECONDS: Final = 3600
ROLLUPS_SECONDS: Final = 24 * 3600
REGISTRY_NANOSECONDS: Final = 90 * 24 * 3600 * 1_000_000_000
"""A device that was not heard for so long leaves the registry."""
_KEPT_SECONDS: Final[dict[Holds, int]] = {"raw": RAW_SECONDS, "rollups": ROLLUPS_SECONDS}
NEWEST_RAW_SECONDS: Final = 300
"""Of raw telemetry: is kept rather than old roll-ups."""
_AHEAD_SECONDS: Final = 3600
"""What is later by more was written while the hub's clock was wrong, and would never age."""


class Slot(NamedTuple):
    """All that is kept of ten seconds, of raw telemetry or of roll-ups."""

    holds: Holds
    slot: int


def expired(slots: Iterable[Slot], now_unix_seconds: int) -> list[Slot]:
    """Return those that are too old, and those that only a wrong clock can have written."""
    last = (now_unix_seconds + _AHEAD_SECONDS) // SLOT_SECONDS
    first = {holds: (now_unix_seconds - s) // SLOT_SECONDS for holds, s in _KEPT_SECONDS.items()}
    return [slot for slot in slots if not first[slot.holds] <= slot.slot <= last]


def least_needed_first(slots: Iterable[Slot], now_unix_seconds: int) -> list[Slot]:
    """Return them in the order in which they make room, each kind by age.

    Raw telemetry goes before roll-ups, but for the newest, which a hub begins with when it starts.
    """
    newest = (now_unix_seconds - NEWEST_RAW_SECONDS) // SLOT_SECONDS

    def need(slot: Slot) -> int:
        if slot.holds == "rollups":
            return 1
        return 0 if slot.slot < newest else 2

    return sorted(slots, key=lambda slot: (need(slot), slot.slot))
