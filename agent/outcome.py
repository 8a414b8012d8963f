"""How an assignment is doing, beside where it is in its life: a second small machine.

A serving segment may be on its third worker; a failed one may have been replaced by the
generation before. The phases of `agent.lifecycle` need not know.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Outcome(StrEnum):
    """How it went so far."""

    PENDING = "pending"
    """It has not served yet."""
    HEALTHY = "healthy"
    FAILING = "failing"
    """A worker was lost, or the assignment failed."""
    ROLLED_BACK = "rolled_back"
    """It failed and was revoked; an older content runs under a newer generation."""
    INCONSISTENT = "inconsistent"
    """What is on disk or in the journal is not what it should be."""


class Sign(StrEnum):
    """What the outcome is judged by."""

    SERVED = "served"
    """The input was opened."""
    STEADY = "steady"
    """It served for a minute without a loss."""
    LOST = "lost"
    GAVE_UP = "gave_up"
    REVOKED = "revoked"
    DAMAGED = "damaged"


STEADY_SECONDS: Final = 60.0

O, G = Outcome, Sign  # noqa: E741 the table below reads as one

JUDGEMENTS: Final[Mapping[tuple[Outcome, Sign], Outcome]] = MappingProxyType(
    {
        (O.PENDING, G.SERVED): O.HEALTHY,
        (O.PENDING, G.LOST): O.FAILING,
        (O.PENDING, G.GAVE_UP): O.FAILING,
        (O.PENDING, G.DAMAGED): O.INCONSISTENT,
        (O.HEALTHY, G.LOST): O.FAILING,
        (O.HEALTHY, G.GAVE_UP): O.FAILING,
        (O.HEALTHY, G.DAMAGED): O.INCONSISTENT,
        (O.FAILING, G.STEADY): O.HEALTHY,
        (O.FAILING, G.REVOKED): O.ROLLED_BACK,
        (O.FAILING, G.DAMAGED): O.INCONSISTENT,
        (O.INCONSISTENT, G.SERVED): O.FAILING,
        (O.INCONSISTENT, G.REVOKED): O.ROLLED_BACK,
    }
)


def judge(outcome: Outcome, sign: Sign) -> Outcome:
    """Return the outcome after ``sign``; a sign that says nothing new changes nothing."""
    return JUDGEMENTS.get((outcome, sign), outcome)
