"""How long a session waits before it connects again. Pure.

A connection that held was worth it: the next attempt follows soon. One that broke at once counts as
a failure. One that another client of the same id ended must not be answered in kind: two agents
with one id would throw each other out for ever, so each waits longer and longer, up to minutes.

Where nobody listens, which is told at once, asking costs next to nothing, and the wait stays short;
a broker that is there and does not manage is left alone for longer. Figures: docs/adr/0024.
"""

import errno
import random
from collections.abc import Iterator
from typing import Final

from wire import backoff

FIRST_DELAY_SECONDS: Final = 0.25
LONGEST_DELAY_SECONDS: Final = 20.0
LONGEST_UNATTENDED_SECONDS: Final = 5.0
"""Where nobody listens. All who waited come back within this time; were it shorter than they wait
to be let in (5 s), more of a crowd would hang up before their turn."""
STEADY_SECONDS: Final = 10.0
"""A connection that lasted so long held."""
FIRST_CONTESTED_SECONDS: Final = 5.0
LONGEST_CONTESTED_SECONDS: Final = 300.0
UNCONTESTED_SECONDS: Final = 600.0
"""A connection that lasted so long is no longer contested."""
FLAPPING: Final = 3
"""So many connections in a row that broke at once, to a broker that is there, are no accident."""
_UNATTENDED: Final = frozenset({errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH})


def nobody_listens(error: Exception) -> bool:
    """Whether a kernel said that nobody is there: no broker had any work with the attempt."""
    return isinstance(error, OSError) and error.errno in _UNATTENDED


class Reconnects:
    """The delays of one session."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._broken = 0
        self._plain = self._from_the_first()
        self._contested = backoff.delays(FIRST_CONTESTED_SECONDS, LONGEST_CONTESTED_SECONDS, rng)

    @property
    def flapping(self) -> bool:
        """Whether connections are made and end at once, again and again."""
        return self._broken >= FLAPPING

    def after_failure(self, *, unattended: bool = False) -> float:
        """Return the seconds to wait after an attempt that gave no connection.

        ``unattended``: since nobody listens.
        """
        self._broken = 0
        return self._next(unattended)

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
            self._plain = self._from_the_first()
        return next(self._contested) if contested else self._next(unattended=False)

    def _next(self, unattended: bool) -> float:
        attended_seconds, unattended_seconds = next(self._plain)
        return unattended_seconds if unattended else attended_seconds

    def _from_the_first(self) -> Iterator[tuple[float, float]]:
        return zip(
            backoff.delays(FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, self._rng),
            backoff.delays(FIRST_DELAY_SECONDS, LONGEST_UNATTENDED_SECONDS, self._rng),
            strict=True,
        )
