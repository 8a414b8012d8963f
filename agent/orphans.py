"""Processes that shall end with whoever started them, and be the first to go when memory ends."""

import contextlib
import ctypes
import os
import signal
from pathlib import Path
from typing import Final

OOM_SCORE: Final = "500"
ORPHANED: Final = 17
"""Exit status of a process whose parent went away."""


def die_with_parent(parent: int | None = None) -> None:
    """Ask the kernel to kill this process when its parent ends: even a stopped one goes.

    Args:
        parent: Who that is: where it is gone already, this ends here. None: not known.
    """
    pr_set_pdeathsig = 1
    with contextlib.suppress(OSError, AttributeError):  # not on Linux
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(ORPHANED)


def die_before_parent() -> None:
    """Ask the kernel to take this one, not its parent, when the device runs out of memory."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
