"""How fast the demo's frames go: from the answers and the waterfalls that they carry."""

from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import Final

import msgspec

from fleet.simulator.predicting import Figures
from paceline.answers import Answer
from wire.statistics import quantile

REMEMBERED: Final = 4096
LEAST_STEADY: Final = 10
"""Answers that tell what a full pipeline does."""


class StagePace(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of the summary."""

    device: str
    segment: str
    stage: int
    run_seconds_p50: float
    """The runtime alone."""
    hop_seconds_p50: float
    """From the sender's link to this stage's reader thread, on one clock."""
    queue_seconds_p50: float


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """From submitting a frame to its answer."""

    p50: float
    p95: float


@dataclass(slots=True)
class Pace:
    """Collects answers of one stream."""

    first_submit_ns: int | None = None
    last_result_ns: int | None = None
    done: int = 0
    _latencies: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _answers: deque[Answer] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def add(self, answer: Answer) -> None:
        """Take one answer."""
        if self.first_submit_ns is None:
            self.first_submit_ns = answer.submitted_ns
        if answer.error is not None:
            return
        self.done += 1
        self.last_result_ns = max(self.last_result_ns or 0, answer.answered_ns)
        self._latencies.append(answer.latency_seconds)
        self._answers.append(_without_tensors(answer))

    @property
    def frames_per_second(self) -> float:
        """Results / (last result - first submit)."""
        if self.first_submit_ns is None or self.last_result_ns is None:
            return 0.0
        return self.done / ((self.last_result_ns - self.first_submit_ns) / 1e9)

    def steady(self, window: int) -> Figures | None:
        """Return what it was like once the pipeline was full; None: it hardly was."""
        answers = list(self._answers)[window:]
        if len(answers) < LEAST_STEADY:
            return None
        ordered = sorted(answer.latency_seconds for answer in answers)
        seconds = (answers[-1].answered_ns - answers[0].answered_ns) / 1e9
        return Figures(
            frames_per_second=(len(answers) - 1) / seconds,
            latency_p50_seconds=median(ordered),
            latency_p95_seconds=quantile(ordered, 0.95),
        )

    def latency(self) -> Latency:
        """Return the percentiles; zero when there was no result."""
        ordered = sorted(self._latencies)
        if not ordered:
            return Latency(p50=0.0, p95=0.0)
        at = min(len(ordered) - 1, int(0.95 * len(ordered)))
        return Latency(p50=median(ordered), p95=ordered[at])

    def stages(self, segments: list[str], last: int = REMEMBERED) -> list[StagePace]:
        """Return each stage's medians over the ``last`` answers."""
        answers = list(self._answers)[-last:]
        paces = []
        for stage, segment in enumerate(segments):
            rows = [(answer, answer.timings[stage]) for answer in answers]
            if not rows:
                return []
            hops = [
                entry.received
                - (
                    (answer.sent_ns or entry.received)
                    if not stage
                    else answer.timings[stage - 1].sent
                )
                for answer, entry in rows
            ]
            paces.append(
                StagePace(
                    device=rows[-1][1].device,
                    segment=segment,
                    stage=stage,
                    run_seconds_p50=median(e.finished - e.run for _, e in rows) / 1e9,
                    hop_seconds_p50=median(hops) / 1e9,
                    queue_seconds_p50=median(e.started - e.received for _, e in rows) / 1e9,
                )
            )
        return paces


def _without_tensors(answer: Answer) -> Answer:
    return Answer(
        sequence=answer.sequence,
        tensors={},
        error=None,
        submitted_ns=answer.submitted_ns,
        sent_ns=answer.sent_ns,
        answered_ns=answer.answered_ns,
        meta=answer.meta,
    )
