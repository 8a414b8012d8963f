"""Holds workers to their memory limits, by what the kernel and the service manager give.

What is chosen and what is said of a worker that reached its limit: `agent.memory_limit`.
"""

import mmap
import resource
from pathlib import Path
from typing import Final

from agent import memory_limit
from agent.memory_limit import MIB, Mechanism, Usage
from agent.supervisor import cgroups
from agent.supervisor.cgroups import Delegated, NotDelegatedError, Room

_TRIAL_BYTES: Final = 64 * MIB


class WorkerMemory:
    """The memory of one worker's process and its limit.

    Args:
        mechanism: What is in force.
        limit_bytes: The limit; None: there is none.
        delegated: Where cgroups are made; None: there are none.
    """

    def __init__(
        self,
        mechanism: Mechanism = Mechanism.WATCH,
        limit_bytes: int | None = None,
        delegated: Delegated | None = None,
    ) -> None:
        self.limit_bytes = limit_bytes
        self._mechanism = mechanism
        self._delegated = delegated
        self._room: Room | None = None
        self._status: Path | None = None
        self._held_bytes: int | None = None
        self._over = False

    @property
    def watched(self) -> bool:
        """Whether `look` must be called four times a second."""
        return self._delegated is None and self.limit_bytes is not None

    def hold(self, pid: int) -> None:
        """Take a process in that has just been started.

        Raises:
            OSError: The kernel refuses: it would run without its limit.
        """
        self._status = Path(f"/proc/{pid}/status")
        if self._delegated is not None:
            self._room = self._delegated.room(self.limit_bytes)
            self._room.admit(pid)

    def look(self) -> bool:
        """Return whether the process holds more than it may and must be ended."""
        if self._status is None or self.limit_bytes is None:
            return False
        held = _usage(self._status).private_bytes
        self._held_bytes = max(held, self._held_bytes or 0)
        self._over = self._over or held > self.limit_bytes
        return self._over

    def verdict(self) -> str | None:
        """Return what is to be said when memory ended the process; None: it did not."""
        if self._room is not None and self._room.killed:
            return self._reached(Mechanism.CGROUP, self._room.peak_bytes)
        return self._reached(Mechanism.WATCH, self._held_bytes) if self._over else None

    def release(self) -> None:
        """Give back what was made for the process, which is gone."""
        if self._room is not None:
            self._room.remove()

    def _reached(self, by: Mechanism, held_bytes: int | None) -> str:
        return memory_limit.reached(by, held_bytes=held_bytes, limit_bytes=self.limit_bytes)


class MemoryLimits:
    """What limits workers here. Made once, before anything else is started."""

    def __init__(self) -> None:
        self._delegated: Delegated | None = None
        self.no_cgroup: str | None = None
        """Why it is not cgroups."""
        try:
            self._delegated = cgroups.taken()
        except NotDelegatedError as error:
            self.no_cgroup = str(error)
        self.mechanism = memory_limit.chosen(
            delegated=self._delegated is not None, rlimit_holds=rlimit_holds()
        )

    def worker(self, limit_bytes: int | None) -> WorkerMemory:
        """Return what holds one worker."""
        return WorkerMemory(self.mechanism, limit_bytes, self._delegated)

    def data_bytes(self, limit_bytes: int | None) -> int | None:
        """Return the RLIMIT_DATA that a worker shall give itself."""
        return limit_bytes if self.mechanism is Mechanism.RLIMIT_DATA else None


def rlimit_holds() -> bool:
    """Try whether this kernel refuses private memory beyond RLIMIT_DATA: an emulated one may not.

    The memory is never touched. For a moment this process can take 64 MiB and no more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _usage(Path("/proc/self/status")).data_bytes + _TRIAL_BYTES
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
        mmap.mmap(-1, 2 * _TRIAL_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except (OSError, ValueError):
        return True
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    return False


def _usage(status: Path) -> Usage:
    try:
        return memory_limit.usage(status.read_text())
    except OSError:  # it has just ended
        return Usage(0, 0)
