"""What a frame of some size takes over a link, from what frames of other sizes took. Pure.

A frame that travels alone and frames that follow each other tell two things: until a frame is there
(through a broker its bytes travel twice), and how long it keeps others waiting (they travel at the
same time): its bytes by the goodput of the size that goes best, since smaller ones are measured
with too few in flight to fill a long way. What both ends compute is in the first, and measured for
itself.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from fleet.fleet_file.description import MEASURED
from fleet.model_plan.setting import LinkFigures
from wire.link_report import LinkReport, SizeReport


class Crossing(NamedTuple):
    """One frame, in seconds."""

    seconds: float
    """From one end to the other, alone; what both ends compute included."""
    transfer_seconds: float
    """How long it keeps the link busy."""
    jitter_seconds: float
    """How far the ninetieth percentile is above the median."""
    sender_cpu_seconds: float
    receiver_cpu_seconds: float


def crossing(link: LinkFigures, size_bytes: float) -> Crossing:
    """Return what a frame of so many bytes takes.

    Between sizes that were measured, and beyond them, it is on a straight line. A link of which
    bandwidth or latency is described takes what is described; without sizes nothing is known of
    what its ends compute.
    """
    report = link.report
    latency = link.latency.value or 0.0
    transfer = size_bytes / (link.rate.value or 1.0)
    if report is None:
        return Crossing(latency + transfer, transfer, link.jitter.value or 0.0, 0.0, 0.0)
    sizes = report.sizes
    sender = _at(size_bytes, ((one.bytes, _sender(one)) for one in sizes))
    receiver = _at(size_bytes, ((one.bytes, _receiver(one)) for one in sizes))
    jitter = link.jitter.value or 0.0
    if link.jitter.origin == MEASURED:
        jitter = _at(size_bytes, ((one.bytes, one.seconds.p90 - one.seconds.p50) for one in sizes))
    if link.latency.origin != MEASURED or link.rate.origin != MEASURED:
        return Crossing(latency + transfer + sender + receiver, transfer, jitter, sender, receiver)
    return Crossing(_at(size_bytes, _alone(report)), transfer, jitter, sender, receiver)


def _alone(report: LinkReport) -> Iterable[tuple[float, float]]:
    """Yield one way's time by size: an answer takes half of an almost empty round trip."""
    back = report.round_trip.p50 / 2
    yield 0.0, back
    for one in report.sizes:
        yield one.bytes, one.seconds.p50 - back


def _sender(size: SizeReport) -> float:
    """Return what one frame costs: between those that are served an end sleeps, or computes."""
    alone = size.sender_alone_cpu_seconds
    return size.sender_cpu_seconds if alone is None else alone


def _receiver(size: SizeReport) -> float:
    alone = size.receiver_alone_cpu_seconds
    return size.receiver_cpu_seconds if alone is None else alone


def _at(size: float, points: Iterable[tuple[float, float]]) -> float:
    """Return the value at ``size`` on straight lines through points; the outer ones go on."""
    ordered = sorted(points)
    if len(ordered) == 1:
        return ordered[0][1]
    lines = list(pairwise(ordered))
    (x0, y0), (x1, y1) = next((line for line in lines if size <= line[1][0]), lines[-1])
    return max(0.0, y0 + (y1 - y0) * (size - x0) / (x1 - x0))
