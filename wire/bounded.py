"""Reading a file that somebody named: at most so much of it, and never waiting for a writer."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

MAX_SECRET_BYTES: Final = 64 << 10
"""More than any password or key takes."""


def read(path: Path, max_bytes: int, *, may_wait: bool = False) -> bytes:
    """Return what a regular file holds.

    Args:
        path: The file; a link is followed.
        max_bytes: A longer file is refused.
        may_wait: Take a pipe or a terminal, too, and wait for what comes through it.

    Raises:
        OSError: It cannot be read, is of another kind, or holds more.
    """
    # O_NONBLOCK: opening a named pipe must not wait for somebody to write
    flags = os.O_RDONLY | os.O_CLOEXEC | (0 if may_wait else os.O_NONBLOCK)
    with os.fdopen(os.open(path, flags), "rb") as file:
        kind = os.fstat(file.fileno()).st_mode
        if not (may_wait or stat.S_ISREG(kind)):
            raise OSError(errno.EINVAL, "it is no regular file")
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {max_bytes} bytes")
    return data
