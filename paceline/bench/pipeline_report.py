"""What ``paceline bench pipeline`` found at each window, as JSON."""

import statistics
from collections import Counter
from collections.abc import Sequence

import msgspec

from fleet.simulator.predicting import Figures, Prediction
from paceline.answers import Answer
from paceline.bench import way
from paceline.bench.way import Part, StageLoad
from wire.statistics import quantile


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """From submitting a frame to its result, in seconds."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One number of frames in flight."""

    concurrency: int
    frames: int
    """Results that the figures are of."""
    seconds: float
    stable: bool
    """Whether the last three measurements were alike; else time ran out."""
    frames_per_second: float
    latency_seconds: Percentiles
    parts: tuple[Part, ...]
    """Where the time of a frame went, on average."""
    stages: tuple[StageLoad, ...]
    failed: dict[str, int]
    """Frames without a result, by reason, from the level's first to its last."""
    predicted: Prediction | None = None
    """By the plan that it was deployed by; None: there is none."""
    error: Figures | None = None
    """Of what was predicted; see `fleet.simulator.predicting.error`."""


def level(
    concurrency: int,
    answers: Sequence[Answer],
    seconds: float,
    failed: Counter[str],
    clock: str,
    *,
    stable: bool,
) -> Level:
    """Return the figures of one level.

    Args:
        concurrency: Frames in flight.
        answers: Those with a result; at least one.
        seconds: In which they came.
        failed: How many others there were, by reason.
        clock: The client's; see ``wire.clock``.
        stable: Whether measuring ended because it was.
    """
    latencies = [answer.latency_seconds for answer in answers]
    rate = len(answers) / seconds
    return Level(
        concurrency=concurrency,
        frames=len(answers),
        seconds=seconds,
        stable=stable,
        frames_per_second=rate,
        latency_seconds=Percentiles(
            mean=statistics.fmean(latencies),
            **{f"p{p}": quantile(latencies, p / 100) for p in (50, 90, 95, 99)},
        ),
        parts=way.parts(answers, clock),
        stages=way.loads(answers, rate),
        failed=dict(failed),
    )
