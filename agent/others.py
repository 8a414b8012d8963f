"""How busy the machine is with anything but this process."""

import os
import time
from collections.abc import Callable

import psutil


class Others:
    """Since it was made.

    Args:
        machine: Tells the processor seconds that all have used.
    """

    def __init__(self, machine: Callable[[], float] | None = None) -> None:
        self._machine = machine or busy_seconds
        self._began = time.monotonic(), self._machine(), time.process_time()

    def ratio(self) -> float:
        """Return which part of all cores others used."""
        began, busy, own = self._began
        elapsed = (time.monotonic() - began) * (os.cpu_count() or 1)
        others = (self._machine() - busy) - (time.process_time() - own)
        return round(min(1.0, max(0.0, others / elapsed)), 4) if elapsed else 0.0


def busy_seconds() -> float:
    """Return the processor seconds that all processes have used; guests' are in them."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    return float(sum(times)) - idle - getattr(times, "guest", 0.0)
