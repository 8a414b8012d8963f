"""Tasks that run or wait to run, averaged by the kernel.

Source: Linux, Documentation/filesystems/proc.rst (``loadavg``).
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from agent.probes import Reading


@dataclass(frozen=True, slots=True)
class LoadProbe:
    """Reads the load averages of the last 1, 5 and 15 minutes."""

    EVERY_SECONDS: ClassVar[float] = 5.0

    averages: Callable[[], tuple[float, float, float]] = os.getloadavg

    def read(self) -> Iterator[Reading]:
        """Yield one reading for each span; all of the device, not for each core."""
        try:
            averages = self.averages()
        except OSError:
            return
        for minutes, tasks in zip(("1", "5", "15"), averages, strict=True):
            yield Reading("load_average_tasks", tasks, (("minutes", minutes),))


PLUGIN = LoadProbe
