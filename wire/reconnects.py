"""How long a session waits before it connects again. Pure.

A connection that held was worth it: the next attempt follows soon. One that broke at once counts as
a failure. One that another client of the same id ended must not be answered in kind: two agents
with one id would throw each other out for ever, so each waits longer and longer, up to minutes.
"""

import random
from typing import Final

from wire import backoff

FIRST_DELAY_SECONDS: Final = 0.25
LONGEST_DELAY_SECONDS: Final = 15.0
STEADY_SECONDS: Final = 10.0
"""A connection that lasted so long held."""
FIRST_CONTESTED_SECONDS: Final = 5.0
LONGEST_CONTESTED_SECONDS: Final = 300.0
UNCONTESTED_SECONDS: Final = 600.0
"""A connection that lasted so long is no longer contested."""
FLAPPING: Final = 3
"""So many connections in a row that broke at once, to a broker that is there, are no accident."""


class Reconnects:
    """The delays of one session."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._broken = 0
        self._plain = backoff.delays(FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, rng)
        self._contested = backoff.delays(FIRST_CONTESTED_SECONDS, LONGEST_CONTESTED_SECONDS, rng)

    @property
    def flapping(self) -> bool:
        """Whether connections are made and end at once, again and again."""
        return self._broken >= FLAPPING

    def after_failure(self) -> float:
        """Return the seconds to wait after an attempt that gave no connection."""
        self._broken = 0
        return next(self._plain)

    def after_loss(self, lasted_seconds: float, *, contested: bool) -> float:
        """Return the seconds to wait after a connection that lasted so long.

        ``contested``: another client uses our id.
        """
        self._broken = 0 if lasted_seconds >= STEADY_SECONDS else self._broken + 1
        if lasted_seconds >= UNCONTESTED_SECONDS:
            self._contested = backoff.delays(
                FIRST_CONTESTED_SECONDS, LONGEST_CONTESTED_SECONDS, self._rng
            )
        if lasted_seconds >= STEADY_SECONDS:
            self._plain = backoff.delays(FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, self._rng)
        return next(self._contested if contested else self._plain)
