"""Reading by turns: whoever got something to do does it, and meanwhile another thread reads on.

A thread that only reads has to hand over each frame to another one, which has to be woken: with
caches that are cold that is an eighth of a hop (docs/adr/0027). So it does the work itself, and
wakes the other one to read while it works, which nobody waits for.

Source: D. Schmidt et al., "Leader/Followers", in Pattern-Oriented Software Architecture, vol. 2.
"""

import threading
from collections.abc import Callable

Work = Callable[[], None]
"""Raises nothing."""


class Readers:
    """One thread, or two that take turns at one source.

    Args:
        until_work: Reads until there is something to do, which it returns; None: no more comes.
            Called by one thread at a time.
        name: Of the second thread.
    """

    def __init__(self, until_work: Callable[[], Work | None], name: str) -> None:
        self.several = False
        """Whether another thread reads while one works; else there must be no work."""
        self._until_work = until_work
        self._name = name
        self._reading = threading.Lock()
        self._over = False

    def run(self, *, several: bool) -> None:
        """Read and work until no more comes, or the other thread has seen that.

        Args:
            several: Start a second thread, if there is memory for one.
        """
        if several:
            second = threading.Thread(target=self._take_turns, daemon=True, name=self._name)
            try:
                second.start()
            except RuntimeError:
                pass
            else:
                self.several = True
        self._take_turns()

    def _take_turns(self) -> None:
        while True:
            with self._reading:
                if self._over:
                    return
                work = self._until_work()
                if work is None:
                    self._over = True
                    return
            work()
