"""What limits a pipeline's throughput, in a sentence. Pure."""

from collections.abc import Sequence
from typing import Final

from fleet.hub.views import WINDOW_SECONDS, Bottleneck, LinkView, StageView, by_stage

BUSY_RATIO: Final = 0.75
"""A stage that works for less of the time is not what the others wait for."""
FULL_RATIO: Final = 0.5
"""Of a hop: the time that frames are on it, one after the other."""


def bottleneck(
    stages: Sequence[StageView],
    links: Sequence[LinkView],
    frames_per_second: float | None,
    now_unix_ns: int,
) -> Bottleneck | None:
    """Return what limits a pipeline now; None: nothing flows, or nothing is known.

    A stage of which no replica serves, or one that has only just begun to; else the stage that is
    busiest, when it is busy most of the time; else the slowest hop, when frames are on it for half
    of the time and longer than in any stage; else the source: the pipeline could do more.
    """
    groups = by_stage(stages)
    stopped = [one for group in groups if all(map(_stopped, group)) for one in group]
    for stage in sorted(stopped, key=lambda stage: stage.state != "error"):
        text = f"Nothing passes stage {stage.stage} on {stage.device}: {_why(stage)}."
        return Bottleneck(stage=stage.stage, text=text)
    newest = max(
        (s for s in stages if not _stopped(s)),
        key=lambda stage: stage.since_unix_ns or 0,
        default=None,
    )
    serves_seconds = (now_unix_ns - (newest.since_unix_ns or 0)) / 1e9 if newest else WINDOW_SECONDS
    if newest is not None and serves_seconds < WINDOW_SECONDS:
        text = f"Not known yet: stage {newest.stage} on {newest.device} has only begun to serve."
        return Bottleneck(stage=None, text=text)
    known = [stage for stage in stages if stage.utilisation_ratio is not None]
    if not frames_per_second or not known:
        return None
    busiest = max(known, key=lambda stage: stage.utilisation_ratio or 0.0)
    ratio = busiest.utilisation_ratio or 0.0
    if ratio >= BUSY_RATIO:
        return Bottleneck(
            stage=busiest.stage,
            device=busiest.device,
            utilisation_ratio=ratio,
            text=_busy(busiest, ratio),
        )
    slowest = max(links, key=lambda link: link.hop_seconds_p50 or 0.0)
    hop, run = slowest.hop_seconds_p50 or 0.0, max(s.run_seconds_p50 or 0.0 for s in known)
    if hop > run and hop * frames_per_second >= FULL_RATIO:
        return Bottleneck(
            stage=None,
            link=(slowest.source, slowest.target),
            utilisation_ratio=None,
            text=_slow(slowest, hop),
        )
    text = (
        f"Nothing but its source: {frames_per_second:.3g} frames/s come, and no stage is at work"
        f" for more than {ratio:.0%} of the time."
    )
    return Bottleneck(stage=None, utilisation_ratio=ratio, text=text)


def _stopped(stage: StageView) -> bool:
    return stage.state in {"error", "busy"}


def _busy(stage: StageView, ratio: float) -> str:
    run = f", {1e3 * stage.run_seconds_p50:.0f} ms a frame" if stage.run_seconds_p50 else ""
    return (
        f"Stage {stage.stage} on {stage.device}: at work {min(ratio, 1.0):.0%} of the time{run}."
        " A faster device, a smaller segment, or the same on several would help."
    )


def _slow(link: LinkView, hop: float) -> str:
    size = f" of {link.bytes_per_frame / 1e3:,.0f} KB" if link.bytes_per_frame else ""
    way = f"{_end(link.source)} to {_end(link.target)}"
    return (
        f"The way from {way}: frames{size} take {1e3 * hop:.0f} ms, longer than any stage runs."
        " A cut with smaller tensors or a faster link would help."
    )


def _end(name: str) -> str:
    return "the client" if name == "client" else f"stage {name}"


def _why(stage: StageView) -> str:
    if stage.reason is None:
        return stage.phase
    return stage.reason.message.rstrip(".")
