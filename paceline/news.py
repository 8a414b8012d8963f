"""What threads that bring something say to the one that waits for it."""

import queue
import threading


class News:
    """Counts what was told, so that nothing told between a look and a wait is missed.

    Any thread tells, one waits. (A condition would do the same for twice the price: this is what
    a client pays for each answer.)
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        """Guards whatever the news is about, and is not held while waiting."""
        self.told = 0
        """How often something was told."""
        self._waits = False
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()

    def tell(self) -> None:
        """Wake whoever waits."""
        with self.lock:
            self.told += 1
            wakes, self._waits = self._waits, False
        if wakes:
            self._wakes.put(None)

    def wait_beyond(self, told: int, seconds: float) -> None:
        """Wait until more than ``told`` was told; it may also return sooner, and without cause."""
        with self.lock:
            if self.told != told or seconds <= 0:
                return
            self._waits = True
        try:
            self._wakes.get(timeout=seconds)
        except queue.Empty:
            pass
        finally:
            self._waits = False
