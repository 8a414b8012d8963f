"""Answers and reports for the tests of ``paceline.bench``."""

import msgspec

from paceline.answers import Answer
from paceline.bench.pipeline_report import Level, Percentiles
from paceline.bench.way import Part, StageLoad
from paceline.errors import FrameFailedError
from wire.timings import KEY, StageTimes

MS = 1_000_000


def stage_times(
    stage, received_ms, *, clock="here", device=None, wait=1, decode=1, run=4, encode=1
):
    """Return one stage's entry of a waterfall, in milliseconds of its own clock."""
    marks = [received_ms]
    for step in (wait, decode, run, encode):
        marks.append(marks[-1] + step)
    received, started, ran, finished, sent = (mark * MS for mark in marks)
    return StageTimes(
        stage=stage, device=device or f"d{stage}", clock=clock, received=received,
        started=started, run=ran, finished=finished, sent=sent,
    )  # fmt: skip


def answer(at_ms=0, latency_ms=20, *, sequence=0, timings=(), reason=None):
    """Return an answer that came at an instant, after so long; with ``reason``, an error."""
    error = FrameFailedError(sequence, reason, "broken") if reason else None
    submitted = int((at_ms - latency_ms) * MS)
    meta = {KEY: [msgspec.structs.astuple(entry) for entry in timings]}
    return Answer(sequence, {}, error, submitted, submitted + MS, int(at_ms * MS), meta)


def level(concurrency, rate, *, stages=(), p50=0.01, parts=(), stable=True, failed=None):
    """Return a measured level; ``stages`` are busy seconds of stage 0, 1, ..."""
    return Level(
        concurrency=concurrency, frames=100, seconds=100 / rate, stable=stable,
        frames_per_second=rate, failed=failed or {}, parts=tuple(parts),
        latency_seconds=Percentiles(mean=p50, p50=p50, p90=2 * p50, p95=3 * p50, p99=4 * p50),
        stages=tuple(
            StageLoad(stage=n, devices=(f"d{n}",), busy_seconds=busy, utilisation=busy * rate)
            for n, busy in enumerate(stages)
        ),
    )  # fmt: skip


def part(name, stage, seconds, share=0.1):
    """Return one part of the way."""
    return Part(name=name, stage=stage, seconds=seconds, share=share)
