"""How a worker's memory is limited, and what is said of one that reached its limit. No I/O.

Three ways, the first that the kernel and the service manager give:

- ``cgroup``: one control group a worker, in the part of the tree that systemd delegated. Exact, and
  counts what the process shares and what is mapped, less what can be read again from disk.
- ``rlimit_data``: the kernel refuses to enlarge the private writable mappings. Exact, counted
  before anything is touched. A watch sees what it does not count.
- ``watch``: the supervisor looks at the private memory four times a second and ends the worker.

Never RLIMIT_AS: it counts mapped weights and the reservations of runtimes.
"""

from enum import StrEnum
from typing import Final, NamedTuple

CODE: Final = "worker.out_of_memory"
WATCH_SECONDS: Final = 0.25
MIB: Final = 1 << 20


class Mechanism(StrEnum):
    """What holds a worker to its limit; told in ``info.memory_limit``."""

    CGROUP = "cgroup"
    RLIMIT_DATA = "rlimit_data"
    WATCH = "watch"


def chosen(*, delegated: bool, rlimit_holds: bool) -> Mechanism:
    """Return the strongest mechanism that is there.

    Args:
        delegated: We have a cgroup of our own with the memory controller.
        rlimit_holds: The kernel obeys RLIMIT_DATA (an emulated one does not).
    """
    if delegated:
        return Mechanism.CGROUP
    return Mechanism.RLIMIT_DATA if rlimit_holds else Mechanism.WATCH


class Usage(NamedTuple):
    """What one process holds."""

    private_bytes: int
    """In memory or swapped out, and gone when it ends; without mapped files."""
    data_bytes: int
    """What RLIMIT_DATA counts: private writable mappings, touched or not."""


def usage(status: str) -> Usage:
    """Return what the text of ``/proc/PID/status`` says; a zombie holds nothing."""
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)

    def held(name: str) -> int:
        return int(fields.get(name, "0").split()[0]) << 10

    return Usage(held("RssAnon") + held("RssShmem") + held("VmSwap"), held("VmData"))


def reached(by: Mechanism, *, held_bytes: int | None, limit_bytes: int | None) -> str:
    """Return the sentence about a worker that ended for want of memory."""
    held = "an unknown amount" if held_bytes is None else size(held_bytes)
    if limit_bytes is None:
        return f"the device ran out of memory while it held {held}; give it a limit, or less to do"
    return (
        f"reached its memory limit ({by.value}): held {held} of {size(limit_bytes)};"
        " raise limits.worker_memory_bytes or cut the model into more segments"
    )


def size(size_bytes: int) -> str:
    """Return a size as people read it."""
    if size_bytes >= MIB:
        return f"{size_bytes / MIB:.0f} MiB"
    return f"{size_bytes >> 10} KiB" if size_bytes >= 1 << 10 else f"{size_bytes} bytes"
