"""When each probe is read, and in which thread: a sensor that hangs stops nothing but itself.

One thread reads the probes that are due, one after the other. A read that takes longer than
``LIMIT_SECONDS`` is left alone with its thread (a read in the kernel cannot be interrupted) and
counted as failed; another thread goes on with the others. When the read returns after all, its
probe is read again as before, and that thread ends. So there are never more threads than probes.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from agent.health.collector import Health

LIMIT_SECONDS: Final = 5.0
"""What takes longer is left alone."""
EARLY_SECONDS: Final = 0.1
"""A probe that is due so soon is read now: ticks are not exact."""


@dataclass(slots=True)
class _Reader:
    """One thread, and what it is doing."""

    due: "queue.SimpleQueue[str | None]" = field(default_factory=queue.SimpleQueue)
    """Probes to read, at most one round of them: a round is given when the one before is done."""
    reading: tuple[str, float] | None = None
    """A probe, and when its read began."""
    left_alone: bool = False


@dataclass(slots=True)
class Sampling:
    """Reads probes when they are due. Used from one thread; never blocks it."""

    health: Health
    limit_seconds: float = LIMIT_SECONDS
    clock_seconds: Callable[[], float] = time.monotonic
    _due_at: dict[str, float] = field(default_factory=dict, init=False)
    _hanging: set[str] = field(default_factory=set, init=False)
    _reader: _Reader | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    """Whether a read has ended or hangs is decided once."""

    def tick(self) -> None:
        """Have the probes read that are due; while a round is under way, only watch over it."""
        now = self.clock_seconds()
        reader = self._reader
        if reader is not None and not self._is_free(reader, now):
            return
        due = [
            name
            for name in self.health.probes
            if name not in self._hanging and self._due_at.get(name, now) <= now + EARLY_SECONDS
        ]
        if not due:
            return
        if self._reader is None:
            self._reader = _Reader()
            thread = threading.Thread(
                target=self._read, args=(self._reader,), name="probes", daemon=True
            )
            thread.start()
        for name in due:
            self._due_at[name] = now + getattr(self.health.probes[name], "EVERY_SECONDS", 1.0)
            self._reader.due.put(name)

    def stop(self) -> None:
        """Let the thread end; one that hangs ends with the process."""
        if self._reader is not None:
            self._reader.due.put(None)
            self._reader = None

    def _is_free(self, reader: _Reader, now: float) -> bool:
        """Whether the next round may begin; a reader that hangs is given up for another one."""
        with self._lock:
            if reader.reading is None:
                return reader.due.empty()
            name, began = reader.reading
            if now - began <= self.limit_seconds:
                return False
            self._hanging.add(name)
            reader.left_alone = True
        self._reader = None
        while not reader.due.empty():  # what waits behind it is due for another reader
            waiting = reader.due.get_nowait()
            if waiting is not None:
                self._due_at.pop(waiting, None)
        self.health.failed(name, f"took over {self.limit_seconds:g} s and is left alone")
        return True

    def _read(self, reader: _Reader) -> None:
        while not reader.left_alone and (name := reader.due.get()) is not None:
            reader.reading = name, self.clock_seconds()
            self.health.read(name)
            with self._lock:
                reader.reading = None
                self._hanging.discard(name)
