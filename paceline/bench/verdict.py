"""What limits a pipeline that was measured, and which window to use. Pure."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from paceline.bench.pipeline_report import Level
from paceline.bench.text import latency_text

BUSY_RATIO: Final = 0.8
"""A stage that computes for so much of the time is what limits."""
NEAR_RATIO: Final = 0.95
"""So much of the best throughput is as good."""


class Bottleneck(msgspec.Struct, frozen=True, kw_only=True):
    """What limits throughput at the best level."""

    kind: Literal["stage", "hops", "window"]
    stage: int | None = None
    devices: tuple[str, ...] = ()
    text: str


def best(levels: Sequence[Level]) -> Level:
    """Return the level of the highest throughput."""
    return max(levels, key=lambda level: level.frames_per_second)


def recommended(levels: Sequence[Level]) -> int:
    """Return the smallest window that gives nearly the best throughput: more is only latency."""
    enough = NEAR_RATIO * best(levels).frames_per_second
    return min(level.concurrency for level in levels if level.frames_per_second >= enough)


def bottleneck(levels: Sequence[Level]) -> Bottleneck:
    """Return what limits.

    A stage that hardly ever rests; else too few frames in flight, where the largest window that was
    measured is still the best; else what is between the stages.
    """
    top = best(levels)
    slowest = max(top.stages, key=lambda stage: stage.utilisation, default=None)
    if slowest is not None and slowest.utilisation >= BUSY_RATIO:
        most = len(slowest.devices) / slowest.busy_seconds
        where = ", ".join(slowest.devices)
        return Bottleneck(
            kind="stage",
            stage=slowest.stage,
            devices=slowest.devices,
            text=f"stage {slowest.stage} on {where}: {latency_text(slowest.busy_seconds)} of each"
            f" frame, so {most:.1f} frames/s at most",
        )
    if recommended(levels) == max(level.concurrency for level in levels):
        return Bottleneck(
            kind="window",
            text=f"too few frames in flight: no stage computes for more than"
            f" {slowest.utilisation if slowest else 0:.0%} of the time; try a larger --concurrency",
        )
    way = sum(part.seconds for part in top.parts if part.name in {"hop", "hops"})
    return Bottleneck(
        kind="hops",
        text=f"what is between the stages: {latency_text(way)} of each frame's"
        f" {latency_text(top.latency_seconds.mean)}; look at links, broker and the client",
    )
