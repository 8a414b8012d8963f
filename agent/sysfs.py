"""Small files of the kernel: read cheaply, absent ones are None. For probes and checks."""

import os
import re
from pathlib import Path
from typing import Final

_MAX_BYTES: Final = 1 << 16


def text(path: Path | str) -> str | None:
    """Return a file's text without the white space around it; None: it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, _MAX_BYTES).decode(errors="replace").strip("\0 \n\t")
    except OSError:
        return None  # a driver that sleeps or was removed
    finally:
        os.close(descriptor)


def number(path: Path | str) -> int | None:
    """Return the whole number in a file, decimal or ``0x``; None: there is none."""
    try:
        return int(text(path) or "", 0)
    except ValueError:
        return None


def entries(folder: Path, pattern: str) -> list[Path]:
    """Return what is in ``folder`` under a name that matches ``pattern`` whole, in number order."""
    matches = re.compile(pattern).fullmatch
    try:
        names = [name for name in os.listdir(folder) if matches(name)]  # noqa: PTH208 a second's work
    except OSError:
        return []
    return [folder / name for name in sorted(names, key=_numbers_in_order)]


def _numbers_in_order(name: str) -> list[tuple[int, str]]:
    """Return a key that puts ``zone2`` before ``zone10``."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
