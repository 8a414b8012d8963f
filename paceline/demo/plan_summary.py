"""What the demo planned, and what it predicted beside what was measured."""

from collections.abc import Iterator

import msgspec

from fleet.simulator import predicting
from fleet.simulator.predicting import Figures, Prediction
from paceline.demo.planning import DemoPlan, Machine, Verdict
from paceline.formatting import seconds_text


class PlanSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The plan's part of the summary."""

    throughput: Verdict
    latency: Verdict
    machine: Machine
    """What agents, broker and client share: it counts."""
    stage_seconds: tuple[float, ...]
    """Of each segment that is shown, planned: processor time of its one thread."""
    predicted: Prediction | None
    """Of the segments that are shown; None: no frame would have a result."""
    measured: Figures | None
    """Once the pipeline was full; None: too few frames to tell."""
    error: Figures | None
    """Predicted by measured, less 1."""


def plan_summary(
    plan: DemoPlan | None, window: int, measured: Figures | None
) -> PlanSummary | None:
    """Return what there is to say of a plan; None: there was none."""
    if plan is None:
        return None
    predicted = plan.predicted(window)
    return PlanSummary(
        throughput=plan.throughput,
        latency=plan.latency,
        machine=plan.machine,
        stage_seconds=tuple(stage.seconds for stage in plan.shown.stages),
        predicted=predicted,
        measured=measured,
        error=predicting.error(predicted, measured) if predicted and measured else None,
    )


def told(plan: PlanSummary) -> Iterator[str]:
    """Yield what people are told, in lines of at most 69 characters."""
    predicted, measured, error = plan.predicted, plan.measured, plan.error
    if predicted is None or measured is None or error is None:
        yield "too few frames to compare with what was predicted"
        return
    yield (
        f"predicted {predicted.frames_per_second:.1f} frames/s, measured"
        f" {measured.frames_per_second:.1f}: {error.frames_per_second:+.0%}"
    )
    yield (
        f"median latency {seconds_text(predicted.latency_p50_seconds)}, measured"
        f" {seconds_text(measured.latency_p50_seconds)}: {error.latency_p50_seconds:+.0%}"
        f" ({predicted.window} in flight)"
    )
