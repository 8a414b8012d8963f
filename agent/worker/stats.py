"""What one worker counts and times; copied out once a second."""

import threading
from collections import Counter
from typing import Final

from wire.histogram import Histogram
from wire.telemetry import StageCounts, StageLatency

STEPS: Final = ("queue", "decode", "run", "encode", "send")
MAX_COUNT: Final = (1 << 53) - 1
"""A count stops here: a sender may claim any number of lost frames, and JSON must carry it."""


class Stats:
    """Counts and histograms since the worker started; any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = StageCounts()
        self._errors: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._histograms = {step: Histogram() for step in STEPS}

    def received(self, size_bytes: int) -> None:
        """A frame came in and was taken."""
        with self._lock:
            self._counts.received += 1
            self._counts.received_bytes += size_bytes

    def refused(self, code: str, frames: int = 1) -> None:
        """A frame was not run, for the reason ``code``."""
        with self._lock:
            self._refused[code] = min(self._refused[code] + frames, MAX_COUNT)

    def failed(self, code: str) -> None:
        """A frame was answered with an error."""
        with self._lock:
            self._errors[code] += 1

    def sent_again(self) -> None:
        """A frame that was lost is sent once more."""
        with self._lock:
            self._counts.sent_again += 1

    def batched(self) -> None:
        """Several frames were run at once."""
        with self._lock:
            self._counts.batches += 1

    def finished(self, sent_bytes: int, **nanoseconds: int) -> None:
        """A frame was run and sent; ``nanoseconds`` are its steps, by the names in ``STEPS``."""
        with self._lock:
            self._counts.run += 1
            self._counts.sent += 1
            self._counts.sent_bytes += sent_bytes
            for step, duration in nanoseconds.items():
                self._histograms[step].add(duration)

    def snapshot(self, **identity: object) -> StageLatency:
        """Return the message's struct; ``identity`` are its other fields."""
        with self._lock:
            counts = StageCounts(
                received=self._counts.received,
                run=self._counts.run,
                sent=self._counts.sent,
                received_bytes=self._counts.received_bytes,
                sent_bytes=self._counts.sent_bytes,
                sent_again=self._counts.sent_again,
                batches=self._counts.batches,
                errors=dict(self._errors),
                refused=dict(self._refused),
            )
            histograms = {name: h.to_message() for name, h in self._histograms.items()}
        return StageLatency(counts=counts, histograms=histograms, **identity)  # type: ignore[arg-type]  # the caller names the struct's other fields
