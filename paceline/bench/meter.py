"""When a level has been measured long enough. Pure: time is that of the answers.

As Triton's perf_analyzer does it: throughput and latency of the last three windows of measurement
must be alike, or time is up. What comes before the pipeline is full counts for nothing.
"""

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import msgspec

from paceline.answers import Answer
from wire.statistics import settled

ALIKE: Final = 3
"""So many windows of measurement."""
MOST_SECONDS: Final = 20.0
LEAST_FRAMES: Final = 10
"""A window of measurement with fewer goes on."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How to measure one level."""

    window_seconds: float = 1.0
    """How long a window of measurement is, at least."""
    within: float = 0.1
    """How alike they must be."""
    most_seconds: float = MOST_SECONDS
    """When it ends, stable or not."""


@dataclass(slots=True)
class _Window:
    """A window of measurement; it begins with the answer before its first."""

    began_ns: int
    answers: list[Answer] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return (self.answers[-1].answered_ns - self.began_ns) / 1e9 if self.answers else 0.0


class Meter:
    """One level's answers, in order.

    Args:
        concurrency: Frames in flight: the first so many fill the pipeline.
        rules: How to measure.
        began_ns: Now, by the clock of the answers.
    """

    def __init__(self, concurrency: int, rules: Rules, began_ns: int) -> None:
        self.stable = False
        """Whether the last windows were alike."""
        self.over = False
        """Whether it has been measured long enough; answers that come later only count failures."""
        self.failed: Counter[str] = Counter()
        """Frames without a result, by reason."""
        self._rules = rules
        self._ends_ns = began_ns + int(rules.most_seconds * 1e9)
        self._filling = concurrency
        self._closed: list[_Window] = []
        self._window: _Window | None = None

    def take(self, answer: Answer) -> None:
        """Take the next answer. Its tensors are let go."""
        if answer.error is not None:
            self.failed[answer.error.reason] += 1
        elif not self.over:
            self._result(msgspec.structs.replace(answer, tensors={}))
        self.over = self.over or self.stable or answer.answered_ns >= self._ends_ns

    def measured(self) -> tuple[list[Answer], float]:
        """Return the answers that count, and in how many seconds they came."""
        windows = self._closed[-ALIKE:]
        if not windows and self._window is not None and self._window.seconds > 0:
            windows = [self._window]
        answers = [answer for window in windows for answer in window.answers]
        return answers, sum(window.seconds for window in windows)

    def _result(self, answer: Answer) -> None:
        if self._window is None:
            self._filling -= 1
            if self._filling <= 0:
                self._window = _Window(answer.answered_ns)
            return
        self._window.answers.append(answer)
        long_enough = self._window.seconds >= self._rules.window_seconds
        if long_enough and len(self._window.answers) >= LEAST_FRAMES:
            self._closed.append(self._window)
            del self._closed[:-ALIKE]
            self._window = _Window(answer.answered_ns)
            self.stable = self._alike()

    def _alike(self) -> bool:
        rates = [len(window.answers) / window.seconds for window in self._closed]
        medians = [
            statistics.median(answer.latency_seconds for answer in window.answers)
            for window in self._closed
        ]
        return all(settled(values, ALIKE, self._rules.within) for values in (rates, medians))
