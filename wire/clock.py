"""Which monotonic clock a process reads: all processes of one boot of one machine share one."""

import random
from pathlib import Path
from typing import Final

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def clock_id(boot_id: Path = BOOT_ID) -> str:
    """Return the id of this machine's monotonic clock; where there is none, one of our own."""
    try:
        return boot_id.read_text().strip().replace("-", "")[:16]
    except OSError:
        return f"{random.SystemRandom().getrandbits(64):016x}"
