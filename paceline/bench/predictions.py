"""What a plan predicted of a pipeline, beside what was measured at each window. Pure."""

from collections.abc import Sequence
from itertools import groupby

import msgspec

from fleet.simulator import predicting
from fleet.simulator.pipeline import Pipeline
from fleet.simulator.predicting import Figures
from paceline.bench.errors import OtherPlanError
from paceline.bench.pipeline_report import Level
from wire.messages import Route


def check(plan: str, pipeline: Pipeline, route: Route) -> None:
    """Check that a plan is of what is deployed.

    Raises:
        OtherPlanError: Its stages are on other devices.
    """
    planned = [sorted(worker.device for worker in stage.workers) for stage in pipeline.stages]
    serving = [
        sorted(stage.device for stage in stages)
        for _, stages in groupby(route.stages, key=lambda stage: stage.stage)
    ]
    if planned != serving:
        raise OtherPlanError(plan, route.pipeline, _named(planned), _named(serving))


def with_predictions(
    levels: Sequence[Level], pipeline: Pipeline, deadline_seconds: float
) -> tuple[Level, ...]:
    """Return levels with what a plan's pipeline is predicted to do at each window.

    Raises:
        SimulationTooLongError: It takes too long.
    """
    return tuple(_with_prediction(level, pipeline, deadline_seconds) for level in levels)


def _with_prediction(level: Level, pipeline: Pipeline, deadline_seconds: float) -> Level:
    predicted = predicting.predicted(pipeline, level.concurrency, deadline_seconds)
    if predicted is None:
        return level
    measured = Figures(
        frames_per_second=level.frames_per_second,
        latency_p50_seconds=level.latency_seconds.p50,
        latency_p95_seconds=level.latency_seconds.p95,
    )
    error = predicting.error(predicted, measured)
    return msgspec.structs.replace(level, predicted=predicted, error=error)


def _named(stages: Sequence[Sequence[str]]) -> str:
    return ",".join("+".join(devices) for devices in stages)
