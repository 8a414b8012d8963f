"""When a lost worker is started again, and when that is given up. No clock: ``now`` in seconds."""

from dataclasses import dataclass, replace
from typing import Final

DELAYS_SECONDS: Final = (0.0, 1.0, 4.0)
GIVE_UP_LOSSES: Final = 3
GIVE_UP_SECONDS: Final = 60.0
"""So many losses within so long end in FAILED."""
FORGET_SECONDS: Final = 600.0
"""A loss so long ago no longer lengthens the delay."""


@dataclass(frozen=True, slots=True)
class Losses:
    """When an assignment's workers were lost, and how often in all."""

    at: tuple[float, ...] = ()
    total: int = 0

    def after(self, now: float) -> "Losses":
        """Return the record with one more loss."""
        recent = tuple(at for at in self.at if now - at < FORGET_SECONDS)
        return replace(self, at=(*recent[-9:], now), total=self.total + 1)

    def given_up(self, now: float) -> bool:
        """Whether there were too many lately."""
        return sum(1 for at in self.at if now - at < GIVE_UP_SECONDS) >= GIVE_UP_LOSSES

    @property
    def delay_seconds(self) -> float:
        """How long to wait before the next worker starts."""
        if not self.at:
            return 0.0
        return DELAYS_SECONDS[min(len(self.at), len(DELAYS_SECONDS)) - 1]
