"""What a deployed pipeline is predicted to do at a window, and how far off that was. Pure."""

from typing import Final

import msgspec

from fleet.simulator.pipeline import Load, Pipeline
from fleet.simulator.report import report
from fleet.simulator.simulation import Simulation

FEWEST_FRAMES: Final = 2000
DEADLINE_SECONDS: Final = 10.0
"""What clients have by default."""
_ROUNDS: Final = 10
"""How often a large window goes through at least."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline's steady state; or by how much each of these is off."""

    frames_per_second: float
    latency_p50_seconds: float
    latency_p95_seconds: float


class Prediction(Figures, frozen=True, kw_only=True):
    """What is predicted of one window."""

    window: int
    """Frames in flight."""


def predicted(
    pipeline: Pipeline, window: int, deadline_seconds: float = DEADLINE_SECONDS
) -> Prediction | None:
    """Return what a window is predicted to give; None: no frame would have a result.

    Args:
        pipeline: As it is deployed.
        window: Frames in flight.
        deadline_seconds: After which a frame has failed.

    Raises:
        SimulationTooLongError: It takes too long.
    """
    frames = max(FEWEST_FRAMES, _ROUNDS * window)
    load = Load(window=window, frames=frames, deadline_seconds=deadline_seconds)
    simulation = Simulation(pipeline, load)
    simulation.run()
    steady = report(simulation, ()).steady
    if steady is None or steady.latency_p50_seconds is None or steady.latency_p95_seconds is None:
        return None
    return Prediction(
        window=window,
        frames_per_second=steady.frames_per_second.value,
        latency_p50_seconds=steady.latency_p50_seconds.value,
        latency_p95_seconds=steady.latency_p95_seconds.value,
    )


def error(predicted: Figures, measured: Figures) -> Figures:
    """Return predicted by measured, less 1: above 0 too much was predicted.

    What was measured is above 0.
    """
    return Figures(
        frames_per_second=predicted.frames_per_second / measured.frames_per_second - 1,
        latency_p50_seconds=predicted.latency_p50_seconds / measured.latency_p50_seconds - 1,
        latency_p95_seconds=predicted.latency_p95_seconds / measured.latency_p95_seconds - 1,
    )
