"""Which monotonic clock a process reads: all processes of one boot of one machine share one."""

import os
import random
from pathlib import Path
from typing import Final

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
VARIABLE: Final = "PACELINE_BOOT_ID"
"""The environment's name of it, for who sees another `/proc` than the rest of the machine."""


def clock_id(boot_id: Path = BOOT_ID) -> str:
    """Return the id of this machine's monotonic clock; where there is none, one of our own."""
    try:
        told = os.environ.get(VARIABLE) or boot_id.read_text()
        return told.strip().replace("-", "")[:16]
    except OSError:
        return f"{random.SystemRandom().getrandbits(64):016x}"
