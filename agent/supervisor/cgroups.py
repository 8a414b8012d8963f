"""Control groups (version 2) of our own, when the service manager delegated a part of the tree.

The rule of version 2 is that only leaves hold processes: the supervisor moves into a leaf, and each
worker gets another. Nothing is taken that is not clearly ours: we must be the only process there.
"""

import contextlib
import itertools
import os
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/self/mountinfo")
MEMBERSHIP: Final = Path("/proc/self/cgroup")
_SUPERVISOR: Final = "supervisor"
_WORKER: Final = "worker-"


class NotDelegatedError(Exception):
    """We have no cgroup of our own with a memory controller; says why."""


class Room:
    """One worker's cgroup."""

    def __init__(self, folder: Path, limit_bytes: int | None) -> None:
        """Make it.

        Raises:
            OSError: The kernel refuses.
        """
        self._folder = folder
        folder.mkdir()
        (folder / "memory.oom.group").write_text("1")
        if limit_bytes is not None:
            (folder / "memory.max").write_text(str(limit_bytes))
            with contextlib.suppress(OSError):  # a kernel that does not account for swap
                (folder / "memory.swap.max").write_text("0")

    def admit(self, pid: int) -> None:
        """Move a process in: from here on its memory counts.

        Raises:
            OSError: The kernel refuses, or the process is gone.
        """
        (self._folder / "cgroup.procs").write_text(str(pid))

    @property
    def killed(self) -> bool:
        """Whether the kernel ended something in here for want of memory."""
        try:
            events = (self._folder / "memory.events").read_text()
        except OSError:
            return False
        counts = dict(line.split() for line in events.splitlines())
        return int(counts.get("oom_kill", "0")) > 0

    @property
    def peak_bytes(self) -> int | None:
        """The most that was ever held; None: the kernel (before 5.19) does not say."""
        try:
            return int((self._folder / "memory.peak").read_text())
        except (OSError, ValueError):
            return None

    def remove(self) -> None:
        """Give it back; its process must be gone."""
        with contextlib.suppress(OSError):
            self._folder.rmdir()


class Delegated:
    """Our part of the tree, with the supervisor in a leaf of it."""

    def __init__(self, folder: Path) -> None:
        """Take it; see `taken`."""
        self._folder = folder
        self._numbers = itertools.count(1)
        _take(folder)

    def room(self, limit_bytes: int | None) -> Room:
        """Return a new cgroup for one worker.

        Raises:
            OSError: The kernel refuses.
        """
        return Room(self._folder / f"{_WORKER}{next(self._numbers)}", limit_bytes)


def taken() -> Delegated:
    """Move this process into a leaf of its cgroup, and share the memory controller out below it.

    Raises:
        NotDelegatedError: There is nothing to take; this process is where it was.
    """
    try:
        folder = _own_folder(MOUNTS.read_text(), MEMBERSHIP.read_text())
        if folder is None:
            raise NotDelegatedError("no cgroup of version 2 is mounted")
        return Delegated(folder)
    except OSError as error:
        raise NotDelegatedError(f"{error.filename}: {error.strerror}") from error


def _own_folder(mounts: str, membership: str) -> Path | None:
    """Return the folder of this process's cgroup."""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        if right.startswith("cgroup2 "):
            for entry in membership.splitlines():
                if entry.startswith("0::/"):
                    return Path(left.split()[4], entry.removeprefix("0::/"))
    return None


def _take(folder: Path) -> None:
    if "memory" not in (folder / "cgroup.controllers").read_text().split():
        raise NotDelegatedError(f"{folder} has no memory controller")
    me = str(os.getpid())
    procs = folder / "cgroup.procs"
    if procs.read_text().split() != [me]:
        raise NotDelegatedError(f"{folder} is not ours alone")
    for left_over in folder.glob(f"{_WORKER}*"):
        with contextlib.suppress(OSError):
            left_over.rmdir()
    leaf = folder / _SUPERVISOR
    leaf.mkdir(exist_ok=True)
    try:
        (leaf / "cgroup.procs").write_text(me)
        (folder / "cgroup.subtree_control").write_text("+memory")
    except OSError:
        with contextlib.suppress(OSError):
            procs.write_text(me)
            leaf.rmdir()
        raise
