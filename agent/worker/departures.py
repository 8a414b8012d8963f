"""What came of a run leaves while the next frame runs: in order, one after the other.

To encode and to send takes as long as it takes, and would keep a runtime idle that has work. So
where another frame waits, what is done for one that has been run is done in a thread of its own
(docs/adr/0030); where none waits, in the thread that ran it, which costs no hand-over.

Only one thread at a time is in the `Outbound`: whoever does what is to be done here.
"""

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Final

from agent.worker.outbound import Outbound

Departure = Callable[[], None]
"""Hands on what came of a run, or of several."""

CLOSE_SECONDS: Final = 1.0
"""How long the end of the thread is waited for; it may be waiting for credit."""


class Departures:
    """Does one departure after the other, in the order in which they are given.

    Args:
        outbound: Where results go; nobody else calls its ``forward`` and ``tick``.
        failed: Called with what a departure raised that was done aside; raises nothing.
        wake: Called when there is something to ``tick`` for that could not be done at once.
    """

    def __init__(
        self, outbound: Outbound, failed: Callable[[BaseException], None], wake: Callable[[], None]
    ) -> None:
        self._outbound = outbound
        self._failed = failed
        self._wake = wake
        self._leaving = threading.Lock()
        """Held for as long as a departure takes: by who gives it, and let go by who has done it."""
        self._aside: queue.SimpleQueue[Departure | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._tick_due = False

    @property
    def busy(self) -> bool:
        """Whether something is leaving."""
        return self._leaving.locked()

    def leave(self, departure: Departure, *, aside: bool) -> None:
        """Do this once all that was given before is done.

        Args:
            departure: What is done.
            aside: Return as soon as it is its turn, and do it in another thread, if there is one.

        Raises:
            Exception: Whatever it raises, where it is done here.
        """
        self._leaving.acquire()  # let go by who has done it
        if aside and self._given(departure):
            return
        try:
            self._do(departure)
        finally:
            self._leaving.release()

    def tick(self) -> None:
        """Let the outbound do what is due, or whoever is leaving see to it."""
        self._tick_due = True  # before: who lets go meanwhile sees it
        if self._leaving.acquire(blocking=False):
            try:
                self._tick_due = False
                self._outbound.tick()
            finally:
                self._leaving.release()

    def close(self) -> None:
        """End the thread; what is leaving may go on for a while if it cannot leave."""
        thread, self._thread = self._thread, None
        if thread is not None:
            with contextlib.suppress(MemoryError):  # then it ends with the process
                self._aside.put(None)
                thread.join(CLOSE_SECONDS)

    def wait(self, seconds: float) -> None:
        """Wait until nothing leaves, not longer than so long."""
        if self._leaving.acquire(timeout=seconds):
            self._leaving.release()

    def _given(self, departure: Departure) -> bool:
        """Let the thread do it; False: there is no memory for that, it has to be done here."""
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._serve, daemon=True, name="departures")
                thread.start()
                self._thread = thread
            self._aside.put(departure)
        except (RuntimeError, MemoryError):
            return False
        return True

    def _serve(self) -> None:
        while (departure := self._aside.get()) is not None:
            try:
                self._do(departure)
            except BaseException as error:  # noqa: BLE001 the main thread raises it
                self._failed(error)
            finally:
                del departure  # and the frame in it
                self._leaving.release()
            if self._tick_due:
                with contextlib.suppress(MemoryError):  # the main thread looks by itself soon
                    self._wake()

    def _do(self, departure: Departure) -> None:
        departure()
        self._tick_due = False
        self._outbound.tick()
