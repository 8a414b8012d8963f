"""A processor that may be used for a part of each period only, as a kernel's quotas are kept."""

import math
import statistics
from typing import Final

from fleet.simulator.pipeline import Quota

_INSTANTS: Final = 64
"""Of a period, at which work may begin."""


def elapsed(quota: Quota, seconds: float) -> float:
    """Return how long work takes on average that begins at any instant, after a rest."""
    begins = [quota.period_seconds * (n + 0.5) / _INSTANTS for n in range(_INSTANTS)]
    return statistics.fmean(Processor(quota).done_at(at, seconds) - at for at in begins)


class OwnCore:
    """A core that is there for one worker alone."""

    share: Final = 1.0

    def done_at(self, now: float, seconds: float) -> float:
        """Return when work is done that begins now."""
        return now + seconds


class Processor:
    """Hands out its time in the order that it is asked for.

    Args:
        quota: What it has in each period. What is left of one is gone with it.
    """

    def __init__(self, quota: Quota) -> None:
        self.share = quota.seconds / quota.period_seconds
        """Of a core."""
        self._quota = quota
        self._ends = quota.period_seconds
        """Of the present period."""
        self._left = quota.seconds

    def done_at(self, now: float, seconds: float) -> float:
        """Return when work is done that takes ``seconds`` of processor time and begins now.

        Args:
            now: Not before the work before is done.
            seconds: Of processor time.
        """
        if now >= self._ends:
            periods = math.floor((now - self._ends) / self._quota.period_seconds) + 1
            self._renew(periods)
        while True:
            had = min(self._left, self._ends - now)
            if seconds <= had:
                self._left -= seconds
                return now + seconds
            seconds -= had
            now = self._ends
            self._renew(1)

    def _renew(self, periods: int) -> None:
        self._ends += periods * self._quota.period_seconds
        self._left = self._quota.seconds
