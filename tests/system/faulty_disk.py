"""An agent on a disk that does what a file says: python -I faulty_disk.py RULES --config FILE.

RULES holds JSON such as ``{"fsync": {"error": "EIO"}, "pwrite": {"held": true}}``, read at each
call; what is held goes on once the file says so no more. It stands at the outermost edge, in the
place of a few system calls of `os`, and only for what lies under the agent's state folder.
"""

import errno
import json
import os
import sys
import time
from pathlib import Path

CALLS = ("fsync", "open", "pread", "pwrite", "replace", "write")


def rules(file):
    """Return what the file says; none: nothing is wrong."""
    try:
        return json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def is_ours(what, folder):
    """Whether a path or an open file lies under the folder."""
    if isinstance(what, int):
        what = Path(f"/proc/self/fd/{what}").readlink()
    return Path(os.fspath(what)).is_relative_to(folder)


def break_when_told(name, file, folder):
    """Put a call that obeys the file in the place of one of `os`."""
    real = getattr(os, name)

    def call(what, *args, **options):
        rule = rules(file).get(name)
        if rule and is_ours(what, folder):
            while rules(file).get(name, {}).get("held"):
                time.sleep(0.02)
            if "error" in rule:
                number = getattr(errno, rule["error"])
                raise OSError(number, os.strerror(number), str(what))
        return real(what, *args, **options)

    setattr(os, name, call)


if __name__ == "__main__":
    file = Path(sys.argv.pop(1))
    for name in CALLS:
        break_when_told(name, file, file.with_suffix(""))
    from agent.__main__ import main

    sys.exit(main())
