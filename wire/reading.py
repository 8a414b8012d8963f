"""Reading by turns: whoever got something to do does it, and meanwhile another thread reads on.

A thread that only reads has to hand over each frame to another one, which has to be woken: with
caches that are cold that is an eighth of a hop (docs/adr/0027). So it does the work itself, and
wakes the other one to read while it works, which nobody waits for.

Source: D. Schmidt et al., "Leader/Followers", in Pattern-Oriented Software Architecture, vol. 2.
"""

import contextlib
import threading
from collections.abc import Callable

Work = Callable[[], None]
"""Raises nothing."""


class Readers:
    """Threads that take turns at one source.

    Args:
        name: Of the threads.
    """

    def __init__(self, name: str) -> None:
        self.several = False
        """Whether another thread reads while one works; else there must be no work."""
        self.over = threading.Event()
        """Whether no more comes. Work may still be done then."""
        self._ended = False
        self._until_work: Callable[[], Work | None] = _no_more
        self._name = name
        self._reading = threading.Lock()

    def start(self, until_work: Callable[[], Work | None], *, works: bool = False) -> None:
        """Begin to read.

        Args:
            until_work: Reads until there is something to do, which it returns; None: no more comes.
                Called by one thread at a time; raises nothing. Not kept beyond that end.
            works: Start a second thread, if there is memory for one.

        Raises:
            RuntimeError: There is no memory for any.
        """
        with self._reading:  # nobody reads before it is known how many there are
            self._start()
            self._until_work = until_work
            if works:
                with contextlib.suppress(RuntimeError):
                    self._start()
                    self.several = True

    def _start(self) -> None:
        threading.Thread(target=self._take_turns, daemon=True, name=self._name).start()

    def _take_turns(self) -> None:
        while True:
            with self._reading:
                if self._ended:
                    return
                work = self._until_work()
                if work is None:
                    self._ended, self._until_work = True, _no_more
                    self.over.set()
                    return
            work()
            del work  # and the frame in it


def _no_more() -> None:
    """Read nothing."""
