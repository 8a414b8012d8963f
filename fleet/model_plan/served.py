"""A candidate as it would be deployed, with all that was measured: what is simulated. Pure.

Beside the times that are planned with, it has their spread, the jitter of links, what sending and
receiving cost a worker's processor, and codecs. Another thread than the one that computes receives,
and sends while the next frame is computed: both cost computing where no core is left for them.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from fleet.model_plan import codecs
from fleet.model_plan.candidate import Candidate, HopFigures, StageFigures
from fleet.model_plan.crossing import crossing
from fleet.model_plan.setting import DeviceFigures, Setting
from fleet.simulator import chance, processor
from fleet.simulator.pipeline import MOST_JITTER, Link, Pipeline, Quota, Stage, Worker

_NO_TIME: Final = 1e-9
"""What a frame keeps a link busy that is never busy."""


class _Hop(NamedTuple):
    figures: HopFigures
    size_bytes: int
    link: Link
    send_seconds: float
    """Of a worker's compute; a client's is part of the link."""
    receive_seconds: float
    """Of the thread beside it, where it has no core of its own."""
    decode_seconds: float


def pipeline(setting: Setting, chosen: Candidate) -> Pipeline:
    """Return what would be deployed.

    Args:
        setting: What was planned with.
        chosen: One of its candidates.
    """
    hops = [_hop(setting, hop, len(chosen.groups)) for hop in chosen.hops]
    stages = []
    for place, group in enumerate(chosen.groups):
        figures = [stage for stage in chosen.stages if stage.device in group.devices]
        block = setting.chain.blocks[group.last]
        sizes = {hop.size_bytes for hop in hops if hop.figures.into == place + 1}
        stages.append(
            Stage(
                workers=tuple(_worker(setting, stage, hops, place) for stage in figures),
                out_bytes=sizes.pop() if sizes else block.out_bytes,
            )
        )
    return Pipeline(
        stages=tuple(stages),
        links=dict(_links(setting, hops)),
        source=setting.source,
        sink=setting.sink,
        input_bytes=setting.chain.input_bytes,
    )


def _hop(setting: Setting, hop: HopFigures, end: int) -> _Hop:
    coding = codecs.FIGURES[hop.codec]
    size = round(hop.raw_bytes * coding.share)
    found = crossing(setting.link(hop.source, hop.target), size)
    sending = found.sender_cpu_seconds if hop.into > 0 else 0.0
    receives = hop.into < end and not setting.device(hop.target).spare_core
    receiving = found.receiver_cpu_seconds if receives else 0.0
    encoding = hop.raw_bytes * coding.encode_seconds_per_byte
    decoding = hop.raw_bytes * coding.decode_seconds_per_byte
    # what a frame took alone begins with sending it, which the worker pays; receiving goes on
    # while it travels, so that it is no time of its own
    paid = _elapsed(setting, hop.source, sending)
    latency = max(0.0, found.seconds - found.transfer_seconds - paid)
    link = Link(
        latency_seconds=latency,
        bytes_per_second=max(size, 1) / max(found.transfer_seconds, _NO_TIME),
        jitter_seconds=min(found.jitter_seconds, MOST_JITTER * latency),
    )
    return _Hop(hop, size, link, sending + encoding, receiving, decoding)


def _worker(setting: Setting, stage: StageFigures, hops: Iterable[_Hop], place: int) -> Worker:
    device = setting.device(stage.device)
    into = [h for h in hops if (h.figures.target, h.figures.into) == (stage.device, place)]
    out = [h for h in hops if (h.figures.source, h.figures.into) == (stage.device, place + 1)]
    mean, quota, spread = stage.seconds * device.mean_share, _quota(device), _spread(device)
    if quota is not None:  # how long runs take differs by when they begin in a period
        mean, spread = mean * quota.seconds / quota.period_seconds, 1.0
    return Worker(
        device=stage.device,
        run_seconds=chance.median(mean, spread),
        spread=spread,
        quota=quota,
        receive_seconds=_mean((h.figures.share, h.receive_seconds) for h in into),
        send_seconds=_mean((h.figures.share, h.send_seconds) for h in out),
        sends_beside=device.spare_core,
        handling_seconds=device.handling_seconds
        + _mean((h.figures.share, h.decode_seconds) for h in into),
    )


def _links(setting: Setting, hops: Iterable[_Hop]) -> Iterator[tuple[tuple[str, str], Link]]:
    """Yield each way, and the way back, which grants take, as it was planned with."""
    ways = {(hop.figures.source, hop.figures.target): hop.link for hop in hops}
    for link in setting.links:
        if (link.target, link.source) in ways:
            yield (
                (link.source, link.target),
                Link(
                    latency_seconds=link.latency.value or 0.0,
                    bytes_per_second=link.rate.value or 1.0,
                ),
            )
    yield from ways.items()


def _quota(device: DeviceFigures) -> Quota | None:
    """Return the quota that holds a device up: what a run had of it, beside the agent itself."""
    period = device.cpu_period_seconds
    if period is None:
        return None
    return Quota(seconds=min(1.0, device.cpu_share) * period, period_seconds=period)


def _elapsed(setting: Setting, device: str, seconds: float) -> float:
    quota = _quota(setting.device(device)) if seconds else None
    return processor.elapsed(quota, seconds) if quota else seconds


def _spread(device: DeviceFigures) -> float:
    return min(max(1.0, device.high_share), 1.0 + MOST_JITTER)


def _mean(weighted: Iterable[tuple[float, float]]) -> float:
    """Return a mean; of nothing, nothing."""
    pairs = list(weighted)
    whole = sum(share for share, _ in pairs)
    return sum(share * value for share, value in pairs) / whole if whole else 0.0
