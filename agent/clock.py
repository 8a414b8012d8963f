"""Whether the wall clock can be believed: a small computer may start in 1970, or a year ahead.

Nothing is decided by the wall clock but whether a command is too old, and that only when it is kept
right by somebody.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.probes.clock import ask_kernel

_SYNCHRONIZED: Final = Path("/run/systemd/timesync/synchronized")


def believed(
    kernel: Callable[[], bool | None] = ask_kernel, synchronized: Path = _SYNCHRONIZED
) -> bool:
    """Whether the kernel, or timesyncd where the kernel may not be asked, keeps the clock right."""
    known = kernel()
    return synchronized.exists() if known is None else known
