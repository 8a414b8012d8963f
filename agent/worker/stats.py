"""What one worker counts and times; copied out once a second."""

import threading
from collections import Counter, deque
from typing import Final

from wire.histogram import Histogram
from wire.telemetry import StageCounts, StageLatency

MAX_UNCOUNTED: Final = 256
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
        self._finished: deque[tuple[int, ...]] = deque()
        """Bytes sent and the steps of frames that are not yet counted; at most `MAX_UNCOUNTED`."""

    def received(self, frames: int, size_bytes: int) -> None:
        """So many frames came in and were taken; negative: they were not, after all."""
        with self._lock:
            self._counts.received += frames
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

    def finished(
        self, sent_bytes: int, *, queue: int, decode: int, run: int, encode: int, send: int
    ) -> None:
        """A frame was run and sent: how long its steps took, in nanoseconds.

        It is only noted, and counted later with others: between two runs every line costs.
        """
        self._finished.append((sent_bytes, queue, decode, run, encode, send))
        if len(self._finished) >= MAX_UNCOUNTED:
            with self._lock:
                self._count_finished()

    def snapshot(self, **identity: object) -> StageLatency:
        """Return the message's struct; ``identity`` are its other fields."""
        with self._lock:
            self._count_finished()
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

    def _count_finished(self) -> None:
        while self._finished:
            sent_bytes, *steps = self._finished.popleft()
            self._counts.run += 1
            self._counts.sent += 1
            self._counts.sent_bytes += sent_bytes
            for histogram, nanoseconds in zip(self._histograms.values(), steps, strict=True):
                histogram.add(nanoseconds)
