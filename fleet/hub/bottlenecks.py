"""What limits a pipeline's throughput, in a sentence. Pure."""

from collections.abc import Sequence
from typing import Final

from fleet.hub.views import Bottleneck, LinkView, StageView

BUSY_RATIO: Final = 0.75
"""A stage that works for less of the time is not what the others wait for."""


def bottleneck(
    stages: Sequence[StageView], links: Sequence[LinkView], frames_per_second: float | None
) -> Bottleneck | None:
    """Return what limits a pipeline now; None: nothing flows, or nothing is known.

    The stage that is busiest, when it is busy most of the time; else the slowest hop, when frames
    are longer on it than in any stage; else the source: the pipeline could do more.
    """
    gone = next((stage for stage in stages if stage.state == "error"), None)
    if gone is not None:
        text = f"Nothing passes stage {gone.stage} on {gone.device}: {_why(gone)}."
        return Bottleneck(stage=gone.stage, text=text)
    known = [stage for stage in stages if stage.utilisation_ratio is not None]
    if not frames_per_second or not known:
        return None
    busiest = max(known, key=lambda stage: stage.utilisation_ratio or 0.0)
    ratio = busiest.utilisation_ratio or 0.0
    if ratio >= BUSY_RATIO:
        return Bottleneck(stage=busiest.stage, utilisation_ratio=ratio, text=_busy(busiest, ratio))
    slowest = max(links, key=lambda link: link.hop_seconds_p50 or 0.0)
    hop, run = slowest.hop_seconds_p50 or 0.0, max(s.run_seconds_p50 or 0.0 for s in known)
    if hop > run:
        return Bottleneck(
            stage=None,
            link=(slowest.source, slowest.target),
            utilisation_ratio=None,
            text=_slow(slowest, hop),
        )
    text = (
        f"Its source: no stage works for more than {ratio:.0%} of the time, so more frames could"
        " be sent, or more of them kept in flight."
    )
    return Bottleneck(stage=None, utilisation_ratio=ratio, text=text)


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
