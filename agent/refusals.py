"""What was refused of the control traffic: counted by reason, and logged without filling a disk.

Whoever may publish on the broker may send anything, at full speed. Of each reason the first refusal
is logged, then at most one line a minute, which says how many there were.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import structlog

from agent.probes import Reading

QUIET_SECONDS: Final = 60.0
"""Of one reason, so long passes between two lines of the log."""
MAX_REASONS: Final = 32
"""What comes after so many reasons is counted as ``other``."""
MAX_ERROR_LENGTH: Final = 300

log = structlog.get_logger(__name__)


class Refusals:
    """Counts of one agent, since it started. Safe to use from any thread."""

    def __init__(self, clock_seconds: Callable[[], float] = time.monotonic) -> None:
        self._clock_seconds = clock_seconds
        self._lock = threading.Lock()
        self._totals: dict[str, int] = {}
        self._told: dict[str, tuple[float, int]] = {}

    def count(self, code: str, error: str) -> None:
        """Count one refusal; ``error`` is what the log says of it, when it is logged."""
        now = self._clock_seconds()
        with self._lock:
            known = code in self._totals or len(self._totals) < MAX_REASONS
            reason = code if known else "other"
            total = self._totals[reason] = self._totals.get(reason, 0) + 1
            told_at, told_total = self._told.get(reason, (-QUIET_SECONDS, 0))
            if now - told_at < QUIET_SECONDS:
                return
            self._told[reason] = (now, total)
        count = total - told_total
        log.warning("control.refused", code=reason, count=count, error=error[:MAX_ERROR_LENGTH])

    def totals(self) -> dict[str, int]:
        """Return how often each reason was met."""
        with self._lock:
            return dict(self._totals)

    def readings(self) -> Iterator[Reading]:
        """Yield ``control_refused_total`` of each reason that was met."""
        for reason, total in sorted(self.totals().items()):
            yield Reading("control_refused_total", total, (("reason", reason),))
