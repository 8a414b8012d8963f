"""Room on the disk that holds the agent's state: segments and journal."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.probes import Reading


@dataclass(frozen=True, slots=True)
class DiskProbe:
    """Reads the file system of ``state_folder``."""

    state_folder: Path = Path("/")

    def read(self) -> Iterator[Reading]:
        """Yield its size and what the agent may still use of it."""
        try:
            usage = shutil.disk_usage(self.state_folder)
        except OSError:
            return  # the disk was pulled: the store says so when it is needed
        yield Reading("disk_total_bytes", usage.total)
        yield Reading("disk_free_bytes", usage.free)


PLUGIN = DiskProbe
