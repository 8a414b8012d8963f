"""How the C library's allocator keeps memory, for processes that run for months.

glibc gives threads heaps of their own and gives back little of them: a process of a dozen threads,
of which one at a time runs Python, grows for an hour and more without holding anything. One heap
for all of them levels off at once.

What was needed only for a while, such as weights before they were put in another order, stays in
the process as well, until that is asked for.

Source: mallopt(3), M_ARENA_MAX; malloc_trim(3).
"""

import contextlib
import ctypes
from typing import Final

_M_ARENA_MAX: Final = -8


def share_one_heap() -> bool:
    """Let all threads of this process share one heap; call it before there are any others.

    Returns:
        Whether the C library did so: others than glibc know no such thing.
    """
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1))
    return False


def give_back() -> bool:
    """Give memory that nothing uses back to the kernel; takes a millisecond or more.

    Returns:
        Whether there was any.
    """
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).malloc_trim(0))
    return False
