"""Memory of the device, and this agent's share of it.

Source: Linux, Documentation/filesystems/proc.rst (``meminfo``, ``smaps_rollup``).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from agent import sysfs as kernel
from agent.probes import Reading

_NAMES = {
    "MemTotal": "memory_total_bytes",
    "MemAvailable": "memory_available_bytes",
    "SwapTotal": "swap_total_bytes",
    "SwapFree": "swap_free_bytes",
}


OWN_EVERY_SECONDS: Final = 60.0
"""How often the own share is counted: the kernel walks all of our pages for it."""


@dataclass(slots=True)
class MemoryProbe:
    """Reads what the kernel says."""

    EVERY_SECONDS: ClassVar[float] = 5.0

    procfs: Path = Path("/proc")
    clock_seconds: Callable[[], float] = time.monotonic
    _own: int | None = field(default=None, init=False)
    _count_at: float = field(default=0.0, init=False)

    def read(self) -> Iterator[Reading]:
        """Yield total and available memory, swap if there is some, the supervisor's share."""
        found = _bytes_by_name(kernel.text(self.procfs / "meminfo"))
        for line, name in _NAMES.items():
            if line in found and (not line.startswith("Swap") or found.get("SwapTotal")):
                yield Reading(name, found[line])
        if self.clock_seconds() >= self._count_at:
            # shared pages are shared out among their users; hardened kernels do not say
            self._own = _bytes_by_name(kernel.text(self.procfs / "self/smaps_rollup")).get("Pss")
            self._count_at = self.clock_seconds() + OWN_EVERY_SECONDS
        if self._own is not None:
            yield Reading("memory_agent_bytes", self._own)


def _bytes_by_name(lines: str | None) -> dict[str, int]:
    """Return the values of lines such as ``Pss:  2000 kB``; the kernel means KiB."""
    found = {}
    for line in (lines or "").splitlines():
        name, _, rest = line.partition(":")
        value, _, unit = rest.strip().partition(" ")
        if unit == "kB" and value.isdecimal():
            found[name] = int(value) * 1024
    return found


PLUGIN = MemoryProbe
