"""Become another program that the kernel kills when our parent ends.

Run as a script: ``python -I -S tether.py PARENT_PID COMMAND...``. The wish is told to the kernel
here, between fork and exec, because Python code in a forked child of a threaded process
(``preexec_fn``) may deadlock. It outlives the exec, but not a change of user: a program that drops
root gets loose. Only the standard library, so that it starts in 20 ms.
"""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
NOT_TETHERED: Final = 125
NOT_FOUND: Final = 127
"""Exit statuses as ``env`` and ``timeout`` use them."""


def main(argv: list[str]) -> int:
    """Tether this process to the parent ``argv[0]``, then become ``argv[1:]``.

    Returns only what went wrong, as an exit status.
    """
    parent, command = int(argv[0]), argv[1:]
    if ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        sys.stderr.write("tether: the kernel refuses to watch the parent\n")
        return NOT_TETHERED
    if os.getppid() != parent:  # it ended before the kernel knew that we care
        return NOT_TETHERED
    try:
        os.execvp(command[0], command)  # noqa: S606 a list, and no shell: to become it is the task
    except OSError as error:
        sys.stderr.write(f"tether: {command[0]}: {error.strerror}\n")
    return NOT_FOUND


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
