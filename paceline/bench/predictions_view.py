"""Predicted beside measured, for people."""

import statistics
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from paceline.bench.pipeline_report import Level
from paceline.bench.text import latency_text

_CLOSE, _FAR = 0.1, 0.3
"""Errors up to which a prediction is good, and from which it is not one."""


def table(levels: Sequence[Level]) -> Table:
    """Return throughput and latencies of each level, as predicted, measured and off."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    made.add_column("\nin flight", justify="right")
    for name in ("frames/s", "p50", "p95"):
        for title in (f"{name}\npredicted", "\nmeasured", "\nerror"):
            made.add_column(title, justify="right")
    for level in levels:
        told, error, latency = level.predicted, level.error, level.latency_seconds
        if told is None or error is None:
            continue
        made.add_row(
            str(level.concurrency),
            f"{told.frames_per_second:.1f}",
            f"{level.frames_per_second:.1f}",
            error_text(error.frames_per_second),
            latency_text(told.latency_p50_seconds),
            latency_text(latency.p50),
            error_text(error.latency_p50_seconds),
            latency_text(told.latency_p95_seconds),
            latency_text(latency.p95),
            error_text(error.latency_p95_seconds),
        )
    return made


def summary(levels: Sequence[Level]) -> str:
    """Return how far predictions are off in the median, either way."""
    errors = [level.error for level in levels if level.error]
    rate = statistics.median(abs(error.frames_per_second) for error in errors)
    p50 = statistics.median(abs(error.latency_p50_seconds) for error in errors)
    return f"frames/s is {rate:.0%} off, p50 {p50:.0%} (medians)"


def error_text(error: float) -> Text:
    """Return an error as people read it: above 0, too much was predicted."""
    size = abs(error)
    style = "green" if size <= _CLOSE else "yellow" if size <= _FAR else "red"
    return Text(f"{error:+.0%}", style=style)
