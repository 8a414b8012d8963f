"""Room on the disk that holds the agent's state (segments and journal), and what was written.

Source: Linux, Documentation/block/stat.rst (``/sys/dev/block/MAJOR:MINOR/stat``: the seventh value
is sectors written, of 512 bytes whatever the disk's own are).
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from agent import sysfs as kernel
from agent.probes import Reading


@dataclass(frozen=True, slots=True)
class DiskProbe:
    """Reads the file system of ``state_folder``."""

    EVERY_SECONDS: ClassVar[float] = 5.0

    state_folder: Path = Path("/")
    sysfs: Path = Path("/sys")

    def read(self) -> Iterator[Reading]:
        """Yield its size, what the agent may still use of it, and bytes written since the boot."""
        try:
            usage = shutil.disk_usage(self.state_folder)
            device = self.state_folder.stat().st_dev
        except OSError:
            return  # the disk was pulled: the store says so when it is needed
        yield Reading("disk_total_bytes", usage.total)
        yield Reading("disk_free_bytes", usage.free)
        number = f"{os.major(device)}:{os.minor(device)}"
        fields = (kernel.text(self.sysfs / "dev/block" / number / "stat") or "").split()
        if len(fields) > 6:
            yield Reading("disk_written_bytes", int(fields[6]) * 512)


PLUGIN = DiskProbe
