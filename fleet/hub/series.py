"""A pipeline or a device over time, out of windows. Pure."""

from collections.abc import Mapping

from fleet.hub.rollups import DeviceWindow, PipelineWindow
from fleet.hub.views import DeviceSeries, PipelineSeries

MAX_STEPS = 720


def step_of(seconds: float, window_seconds: int) -> int:
    """Return how long a step is, in whole windows, so that there are not too many of them."""
    windows = -(-int(seconds) // window_seconds)
    return window_seconds * -(-windows // MAX_STEPS)


def pipeline_series(
    pipeline: str, windows: Mapping[int, PipelineWindow], until: float, seconds: float, step: int
) -> PipelineSeries:
    """Return a pipeline's last ``seconds``.

    Args:
        pipeline: Its name.
        windows: By their ends, in unix seconds; a step is a whole number of them.
        until: Unix seconds; the step that is open then is left out.
        seconds: How long.
        step: In seconds.
    """
    steps: dict[int, PipelineWindow] = {}
    for end, window in windows.items():
        steps.setdefault(_step_end(end, step), PipelineWindow()).merge(window)
    ends = _ends(until, seconds, step)
    found = [steps.get(end) for end in ends]
    return PipelineSeries(
        pipeline=pipeline,
        step_seconds=step,
        at_unix_seconds=tuple(map(float, ends)),
        frames_per_second=tuple(w.results / step if w else None for w in found),
        latency_seconds_p50=tuple(w.latency.percentile_seconds(0.5) if w else None for w in found),
        latency_seconds_p95=tuple(w.latency.percentile_seconds(0.95) if w else None for w in found),
        errors_per_second=tuple(w.errors / step if w else None for w in found),
    )


def device_series(
    device: str, windows: Mapping[int, DeviceWindow], until: float, seconds: float, step: int
) -> DeviceSeries:
    """Return a device's last ``seconds``; see `pipeline_series`."""
    steps: dict[int, DeviceWindow] = {}
    for end, window in windows.items():
        steps.setdefault(_step_end(end, step), DeviceWindow.empty()).merge(window)
    ends = _ends(until, seconds, step)
    means = [steps[end].means() if end in steps else {} for end in ends]
    names = sorted({name for found in means for name in found})
    return DeviceSeries(
        device=device,
        step_seconds=step,
        at_unix_seconds=tuple(map(float, ends)),
        readings={name: tuple(found.get(name) for found in means) for name in names},
    )


def _step_end(end: int, step: int) -> int:
    """Return the end of the step that the window which ends then is in."""
    return -(-end // step) * step


def _ends(until: float, seconds: float, step: int) -> list[int]:
    last = int(until) // step * step
    return list(range(last - int(seconds) // step * step + step, last + 1, step))
