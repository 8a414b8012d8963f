"""What ``paceline bench pipeline`` found: as JSON, and as tables for people."""

import os
from collections.abc import Iterator
from itertools import groupby
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from paceline.bench.pipeline_report import Level
from paceline.bench.predictions_view import summary, table
from paceline.bench.text import latency_text
from paceline.bench.verdict import Bottleneck, best
from paceline.bench.way import STEPS, Part

_BAR_WIDTH: Final = 24


class StageIs(msgspec.Struct, frozen=True, kw_only=True):
    """Where one stage runs."""

    stage: int
    device: str
    runtime: str


class PipelineReport(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline, measured."""

    pipeline: str
    generation: int
    stages: tuple[StageIs, ...]
    inputs: str
    load_average: float
    """This machine's, over the minute before."""
    levels: tuple[Level, ...]
    bottleneck: Bottleneck
    recommended_window: int
    """The smallest that gives nearly the best throughput."""
    failed: dict[str, int]
    """Frames without a result, by reason."""
    ended_by: str | None
    """Why not all levels were measured: ``interrupted``, or an error's code."""


def show(console: Console, report: PipelineReport) -> None:
    """Print it for people."""
    where = " -> ".join(_stages(report))
    console.print(f"pipeline {report.pipeline}, generation {report.generation}: {where}")
    console.print(_levels(report))
    top = best(report.levels)
    console.print(f"\nWhere a frame's time goes with {top.concurrency} in flight, on average:")
    console.print(_way(top))
    if any(level.predicted for level in report.levels):
        console.print(f"\nWhat its plan predicted, beside measured: {summary(report.levels)}")
        console.print(table(report.levels))
    console.print(f"\nbottleneck: {report.bottleneck.text}")
    console.print(f"recommended: --window {report.recommended_window}")
    for reason, count in report.failed.items():
        console.print(f"failed: {count} x {reason}", style="red")
    if report.ended_by is not None:
        console.print(f"not all was measured: {report.ended_by}", style="yellow")
    unstable = "" if all(level.stable for level in report.levels) else " * not stable in time."
    console.print(
        f"Inputs: {report.inputs}.{unstable}"
        f" Load of this machine before: {report.load_average:.1f} on {os.cpu_count()} cores.",
        style="dim",
    )


def _stages(report: PipelineReport) -> Iterator[str]:
    for _, replicas in groupby(report.stages, key=lambda stage: stage.stage):
        yield " | ".join(f"{stage.device} ({stage.runtime})" for stage in replicas)


def _levels(report: PipelineReport) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("in flight", "frames/s", "p50", "p90", "p95", "p99", "frames"):
        table.add_column(name, justify="right")
    table.add_column("busiest stage")
    for level in report.levels:
        latency = level.latency_seconds
        busiest = max(level.stages, key=lambda stage: stage.utilisation, default=None)
        table.add_row(
            str(level.concurrency),
            f"{level.frames_per_second:.1f}{' ' if level.stable else '*'}",
            *(latency_text(p) for p in (latency.p50, latency.p90, latency.p95, latency.p99)),
            str(level.frames),
            f"{busiest.stage} ({busiest.utilisation:.0%})" if busiest else "",
            style="bold" if level.concurrency == report.recommended_window else "",
        )
    return table


def _way(level: Level) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for side in ("left", "right", "right", "left"):
        table.add_column(justify=side)
    for name, seconds, share in _rows(level.parts):
        bar = Text("█" * max(round(share * _BAR_WIDTH), int(share > 0.005)), style="blue")
        table.add_row(name, latency_text(seconds), f"{share:.0%}", bar)
    return table


def _rows(parts: tuple[Part, ...]) -> Iterator[tuple[str, float, float]]:
    last = max((part.stage for part in parts if part.stage is not None), default=None)
    for part in parts:
        if part.name == "credit":
            name = "waiting for credit at the client"
        elif part.name == "hops":
            name = "between them, all hops (their clocks differ)"
        elif part.name == "hop":
            name = f"hop from stage {last} back" if part.stage is None else f"hop to {part.stage}"
        else:
            name = f"stage {part.stage}: {_STEP_WORDS[part.name]}"
        yield name, part.seconds, part.share


_STEP_WORDS = dict(zip(STEPS, ("waiting", "decode", "run", "encode"), strict=True))
