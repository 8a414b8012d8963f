"""Python, and the C library below it."""

import platform
import struct
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Final

from agent.doctor import Group, note, ok, problem, warning
from agent.examination.subject import Subject
from wire.reports import Finding

OLDEST: Final = (3, 11)
TESTED: Final = ((3, 11), (3, 13))
MACHINES: Final = ("x86_64", "aarch64")
_WHEEL_LIBC: Final = "manylinux_"


def findings(subject: Subject) -> Iterator[Finding]:
    """Yield whether this Python can run us."""
    yield version(sys.version_info[:2], sys.executable)
    yield bits(struct.calcsize("P") * 8, platform.machine())
    yield libc(*platform.libc_ver(), asked=_asked_glibc(subject))


def version(found: tuple[int, int], program: str) -> Finding:
    """Return what a Python's version is worth."""
    said = f"Python {found[0]}.{found[1]} ({program})"
    if found < OLDEST:
        return problem("python.version", said, "install Python 3.11 or newer and paceline in it")
    if found not in TESTED:
        tested = ", ".join(f"{major}.{minor}" for major, minor in TESTED)
        return note("python.version", f"{said}; tested are {tested}")
    return ok("python.version", said)


def bits(found: int, machine: str) -> Finding:
    """Return whether programs are 64 bits wide, on a processor that we know."""
    said = f"{found}-bit Python on {machine}"
    if found != 64:
        return problem(
            "python.bits", said, "install a 64-bit system: the runtimes have no 32-bit wheels"
        )
    if machine not in MACHINES:
        return warning(
            "python.bits", said, f"use a machine with wheels of the runtimes: {', '.join(MACHINES)}"
        )
    return ok("python.bits", said)


def libc(name: str, found: str, *, asked: tuple[tuple[int, int], str] | None) -> Finding:
    """Return whether the C library is one that the runtimes' wheels are made for."""
    if name != "glibc":
        return problem(
            "python.libc",
            f"the C library is {name or 'no glibc (musl?)'}",
            "use a system with glibc, such as Debian: the runtimes have no wheels for musl",
        )
    if asked is None:
        return ok("python.libc", f"glibc {found}")
    (major, minor), by = asked
    said = f"glibc {found}; the wheels here ask for at least {major}.{minor} ({by})"
    if _numbers(found) < (major, minor):
        return problem("python.libc", said, f"install a system with glibc {major}.{minor} or newer")
    return ok("python.libc", said)


def _asked_glibc(subject: Subject) -> tuple[tuple[int, int], str] | None:
    """Return the newest glibc that an installed wheel asks for, and which wheel that is."""
    asked = [
        (least, str(found.metadata["Name"]))
        for found in subject.distributions()
        if (least := _least_glibc(found)) is not None
    ]
    return max(asked, default=None)


def _least_glibc(found: metadata.Distribution) -> tuple[int, int] | None:
    """Return the oldest glibc that one of a wheel's tags is for."""
    least = [
        _numbers(part.removeprefix(_WHEEL_LIBC).replace("_", ".", 1).partition("_")[0])
        for line in (found.read_text("WHEEL") or "").splitlines()
        if line.startswith("Tag:")
        for part in line.rpartition("-")[2].split(".")
        if part.startswith(_WHEEL_LIBC)
    ]
    return min(least, default=None)


def _numbers(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    digits = "".join(c for c in minor.partition(".")[0] if c.isdigit())
    return (int(major) if major.isdigit() else 0, int(digits or 0))


PLUGIN = Group("Python", findings)
