"""When a lost worker is started again, and when that is given up. No clock: ``now`` in seconds."""

from dataclasses import dataclass
from typing import Final

DELAYS_SECONDS: Final = (0.0, 1.0, 4.0)
GIVE_UP_LOSSES: Final = 3
GIVE_UP_SECONDS: Final = 60.0
"""So many losses within so long end in FAILED; how long hangs took to be seen does not count."""
FORGET_SECONDS: Final = 600.0
"""A loss so long ago no longer lengthens the delay."""


@dataclass(frozen=True, slots=True)
class Losses:
    """When an assignment's workers were lost, and how often in all."""

    at: tuple[float, ...] = ()
    """By a clock that stood still while a worker hung."""
    total: int = 0
    unseen_seconds: float = 0.0
    """How long workers hung in all before that was seen."""

    def after(self, now: float, unseen_seconds: float = 0.0) -> "Losses":
        """Return the record with one more loss, of a worker that hung for ``unseen_seconds``."""
        unseen_seconds += self.unseen_seconds
        at = now - unseen_seconds
        recent = tuple(before for before in self.at if at - before < FORGET_SECONDS)
        return Losses((*recent[-9:], at), self.total + 1, unseen_seconds)

    @property
    def given_up(self) -> bool:
        """Whether the newest loss was one too many."""
        return sum(1 for at in self.at if self.at[-1] - at < GIVE_UP_SECONDS) >= GIVE_UP_LOSSES

    @property
    def delay_seconds(self) -> float:
        """How long to wait before the next worker starts."""
        if not self.at:
            return 0.0
        return DELAYS_SECONDS[min(len(self.at), len(DELAYS_SECONDS)) - 1]
