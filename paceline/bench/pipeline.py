"""Measure a deployed pipeline with more and more frames in flight."""

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from paceline.answers import Arrays
from paceline.bench.errors import NothingMeasuredError
from paceline.bench.meter import Meter, Rules
from paceline.bench.pipeline_report import Level, level
from paceline.bench.pipeline_view import PipelineReport, StageIs
from paceline.bench.verdict import bottleneck, recommended
from paceline.errors import PipelineUndeployedError
from paceline.formatting import counted
from paceline.pipeline import Pipeline
from paceline.stream import DEFAULT_DEADLINE_SECONDS
from wire.clock import clock_id

INTERRUPTED: Final = "interrupted"


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What to measure."""

    concurrencies: Sequence[int]
    """Frames in flight, one level each."""
    inputs: Arrays
    """Every frame's."""
    inputs_are: str
    """Where they are from, as it is shown."""
    rules: Rules
    """When a level was measured long enough."""
    deadline_seconds: float = DEFAULT_DEADLINE_SECONDS


@dataclass(slots=True)
class _Progress:
    """What was measured so far."""

    levels: list[Level] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)


def measure(
    pipeline: Pipeline, request: LoadRequest, tell: Callable[[str], None]
) -> PipelineReport:
    """Measure each level until it is stable; ``tell`` hears how far it is.

    Ctrl-C ends it with the levels that were finished, and so does the pipeline when it is
    undeployed.

    Raises:
        NothingMeasuredError: No frame had a result.
        CodedError: As for ``Pipeline.stream``.
    """
    load_average = os.getloadavg()[0]
    route = pipeline.route
    progress = _Progress()
    ended_by = None
    try:
        for concurrency in request.concurrencies:
            _level(pipeline, request, concurrency, progress, tell)
    except KeyboardInterrupt:
        ended_by = INTERRUPTED
    except PipelineUndeployedError as error:
        ended_by = error.code
    if not progress.levels:
        if ended_by == INTERRUPTED:
            raise KeyboardInterrupt
        reasons = ", ".join(f"{n} x {reason}" for reason, n in progress.failed.items())
        raise NothingMeasuredError(pipeline.name, reasons or ended_by or "none came in time")
    return PipelineReport(
        pipeline=pipeline.name,
        generation=route.generation,
        stages=tuple(
            StageIs(stage=stage.stage, device=stage.device, runtime=stage.runtime)
            for stage in route.stages
        ),
        inputs=request.inputs_are,
        load_average=load_average,
        levels=tuple(progress.levels),
        bottleneck=bottleneck(progress.levels),
        recommended_window=recommended(progress.levels),
        failed=dict(progress.failed),
        ended_by=ended_by,
    )


def _level(
    pipeline: Pipeline,
    request: LoadRequest,
    concurrency: int,
    progress: _Progress,
    tell: Callable[[str], None],
) -> None:
    meter = Meter(concurrency, request.rules, time.monotonic_ns())

    def frames() -> Iterator[Arrays]:
        while not meter.over:
            yield request.inputs

    answers = pipeline.stream(
        frames(), window=concurrency, deadline_seconds=request.deadline_seconds
    )
    tell(f"{concurrency} in flight")
    try:
        with contextlib.closing(answers):
            for number, answer in enumerate(answers):
                meter.take(answer)
                if number % 16 == 0:
                    tell(f"{concurrency} in flight: {counted(number, 'frame')}")
    finally:
        progress.failed += meter.failed
    results, seconds = meter.measured()
    if results:
        made = level(concurrency, results, seconds, meter.failed, clock_id(), stable=meter.stable)
        progress.levels.append(made)
