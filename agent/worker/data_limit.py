"""RLIMIT_DATA of a worker, where that is what holds it (`agent.memory_limit`).

The runtime's library is imported without it: a loader, a thread or a C++ constructor that gets no
memory fails in a hundred ways, most of which say nothing of memory. What it took is counted after.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agent import memory_limit
from agent.memory_limit import Mechanism

NEAR_BYTES: Final = 16 << 20
"""Two stacks of threads: glibc maps 8 MiB for each."""
CLIENT_BYTES: Final = 2 * NEAR_BYTES
"""What has to be left to take a client's connection: two threads' stacks, and as much again."""
_UNLIMITED: Final = resource.RLIM_INFINITY


@contextmanager
def held(limit_bytes: int | None) -> Iterator[None]:
    """Hold this process to a limit for a while; None: do not."""
    if limit_bytes is None:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def hold(limit_bytes: int | None) -> None:
    """Hold this process to a limit from now on; None: do not.

    Raises:
        MemoryError: It holds that much already.
    """
    if limit_bytes is None:
        return
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
    if _held_bytes() >= limit_bytes:
        raise MemoryError("the runtime alone takes more")


def is_near() -> bool:
    """Return whether what fails now may fail for want of memory: no thread's stack is left."""
    return not has_room(NEAR_BYTES)


def has_room(size_bytes: int) -> bool:
    """Return whether the limit leaves so much; without one it does."""
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return limit == _UNLIMITED or _held_bytes() + size_bytes <= limit


def reached(error: MemoryError) -> str:
    """Return what is said of an allocation that was refused."""
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if limit == _UNLIMITED:
        held = memory_limit.size(_held_bytes())
        return f"an allocation was refused ({error or 'no more is said'}); held {held}"
    text = memory_limit.reached(Mechanism.RLIMIT_DATA, held_bytes=_held_bytes(), limit_bytes=limit)
    return f"{text} ({error})" if str(error) else text


def _held_bytes() -> int:
    return memory_limit.usage(Path("/proc/self/status").read_text()).data_bytes
