"""Whether the wall clock can be believed: a small computer may start in 1970, or a year ahead.

Nothing is decided by the wall clock but whether a command is too old, and that only when it is kept
right by somebody.

Source: adjtimex(2): ``modes`` 0 only asks, 5 (TIME_ERROR) is a clock that nobody keeps;
systemd-timesyncd.service(8): ``/run/systemd/timesync/synchronized``.
"""

import ctypes
from pathlib import Path
from typing import Final

_SYNCHRONIZED: Final = Path("/run/systemd/timesync/synchronized")
_TIME_ERROR: Final = 5
_TIMEX_BYTES: Final = 208
"""Size of ``struct timex`` on 64-bit Linux; with zeros in it, only asking."""


def believed(synchronized: Path = _SYNCHRONIZED) -> bool:
    """Whether the kernel, or timesyncd where the kernel may not be asked, keeps the clock right."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        state = -1
    return synchronized.exists() if state < 0 else state != _TIME_ERROR
