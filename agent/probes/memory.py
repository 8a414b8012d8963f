"""Memory of the device, and this agent's share of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from agent.probes import Reading


@dataclass(frozen=True, slots=True)
class MemoryProbe:
    """Reads what the kernel says; tests point ``own`` at a file of theirs."""

    system: Callable[[], Any] = psutil.virtual_memory
    own: Path = Path("/proc/self/smaps_rollup")

    def read(self) -> Iterator[Reading]:
        """Yield total and available memory, and the supervisor's own."""
        memory = self.system()
        yield Reading("memory_total_bytes", memory.total)
        yield Reading("memory_available_bytes", memory.available)
        own_bytes = self._own_bytes()
        if own_bytes is not None:
            yield Reading("memory_agent_bytes", own_bytes)

    def _own_bytes(self) -> int | None:
        """Return the proportional set size: shared pages are shared out among their users."""
        try:
            for line in self.own.read_text().splitlines():
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
        except (OSError, ValueError, IndexError):
            return None  # kernels before 4.14, and hardened ones, do not say
        return None


PLUGIN = MemoryProbe
