"""What a run was like: figures with intervals, from what happened in it.

Of every stretch without a death the first fifth of the frames that end is left out as warm-up; what
is left is its steady state. It is cut into twenty batches of equally many frames, and an interval
says where the figure of a run without end is with 95 % confidence: the batches' figures count as
independent of each other (batch means; Law and Kelton, Simulation Modeling and Analysis).
"""

import statistics
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Final

import msgspec

from fleet.simulator.client import IN_FLIGHT
from fleet.simulator.simulation import Account, Simulation
from fleet.simulator.trace import Ending, Resource, Trace, busy_seconds, time_at_lengths
from wire.statistics import quantile

BATCHES: Final = 20
FEWEST_FRAMES: Final = 100
"""Below, a stretch has no steady state that could be told."""
WARM_UP: Final = 0.2
_T: Final = 2.093
"""Student's distribution with 19 degrees of freedom, for 95 %."""


class Estimate(msgspec.Struct, frozen=True):
    """A figure, and between what it is with 95 % confidence."""

    value: float
    low: float
    high: float


class ResourceUse(msgspec.Struct, frozen=True, kw_only=True):
    """What a device or a link did."""

    resource: Resource
    """A device, or from which to which."""
    busy: Estimate
    """The share of time in which it computed or carried."""
    blocked: float
    """Of a device: the share of time in which it waited for credit with a frame computed."""
    waiting: Estimate
    """Frames in its inbox, or waiting for the link behind the one that it carries."""
    waiting_p95: int
    """In 95 % of the time there were at most so many."""


class Steady(msgspec.Struct, frozen=True, kw_only=True):
    """The steady state of a stretch between two deaths."""

    from_seconds: float
    to_seconds: float
    frames_per_second: Estimate
    """Results."""
    latency_mean_seconds: Estimate | None
    """Of results, from submission; None: there was none."""
    latency_p50_seconds: Estimate | None
    latency_p95_seconds: Estimate | None
    in_flight: Estimate
    """N, the mean number of frames in flight."""
    in_flight_by_little: float
    """Ended frames a second times their mean latency: N again, by Little's law."""
    resources: tuple[ResourceUse, ...]


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """From the beginning, or a death, to the next death or the end."""

    began_with: str | None
    """The device that died; None: the beginning."""
    from_seconds: float
    to_seconds: float
    results: int
    errors: int
    drops: int
    longest_pause_seconds: float
    """Without any result."""
    steady: Steady | None
    """None: too few frames ended, or all at once."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was like."""

    account: Account
    """Of all frames of the run."""
    errors: dict[str, int]
    """By code."""
    stretches: tuple[Stretch, ...]

    @property
    def steady(self) -> Steady | None:
        """The steady state after the last death."""
        return self.stretches[-1].steady


def report(simulation: Simulation, killed: Sequence[str]) -> Report:
    """Return what a finished run was like.

    Args:
        simulation: The run.
        killed: The devices that died, in this order.
    """
    trace = simulation.trace
    codes: dict[str, int] = {}
    for ending in trace.endings:
        if ending.outcome == "error":
            codes[ending.code] = codes.get(ending.code, 0) + 1
    marks = [(0.0, 0), *trace.killed, (trace.endings[-1].ended, len(trace.endings))]
    stretches = [
        _stretch(trace, name, begin, end, trace.endings[first:last])
        for name, ((begin, first), (end, last)) in zip(
            (None, *killed), pairwise(marks), strict=True
        )
    ]
    return Report(account=simulation.account, errors=codes, stretches=tuple(stretches))


def _stretch(
    trace: Trace, name: str | None, begin: float, end: float, endings: Sequence[Ending]
) -> Stretch:
    count = {outcome: sum(e.outcome == outcome for e in endings) for outcome in _OUTCOMES}
    results = [begin, *(e.ended for e in endings if e.outcome == "result"), end]
    steady = _steady(trace, endings) if len(endings) >= FEWEST_FRAMES else None
    return Stretch(
        began_with=name,
        from_seconds=begin,
        to_seconds=end,
        results=count["result"],
        errors=count["error"],
        drops=count["drop"],
        longest_pause_seconds=max(later - sooner for sooner, later in pairwise(results)),
        steady=steady,
    )


_OUTCOMES: Final = ("result", "error", "drop")


def _steady(trace: Trace, endings: Sequence[Ending]) -> Steady | None:
    """Return the steady state; None: all of it ended at one instant, as by a common deadline."""
    first = int(len(endings) * WARM_UP)
    size = (len(endings) - first) // BATCHES
    first = len(endings) - size * BATCHES  # the rest belongs to the warm-up
    edges = [endings[first - 1 + size * batch].ended for batch in range(BATCHES + 1)]
    batches = [endings[first + size * b : first + size * (b + 1)] for b in range(BATCHES)]
    measured = endings[first:]
    seconds = edges[-1] - edges[0]
    if not seconds > 0:
        return None
    results = [[e.latency_seconds for e in batch if e.outcome == "result"] for batch in batches]
    every = [latency for batch in results for latency in batch]
    in_flight = _lengths(trace, IN_FLIGHT, edges)

    def latency(figure: Callable[[Sequence[float]], float]) -> Estimate | None:
        if not every:
            return None
        return _estimate(figure(every), [figure(batch) for batch in results if batch])

    return Steady(
        from_seconds=edges[0],
        to_seconds=edges[-1],
        frames_per_second=_per_second([len(batch) for batch in results], edges),
        latency_mean_seconds=latency(statistics.fmean),
        latency_p50_seconds=latency(statistics.median),
        latency_p95_seconds=latency(p95),
        in_flight=in_flight[0],
        in_flight_by_little=sum(e.latency_seconds for e in measured) / seconds,
        resources=tuple(_use(trace, resource, edges) for resource in trace.busy),
    )


def p95(values: Sequence[float]) -> float:
    """Return the smallest value that at least 95 % of ``values`` do not exceed."""
    return quantile(values, 0.95)


def _per_second(values: Sequence[float], edges: Sequence[float]) -> Estimate:
    """Return a total by time; a batch of frames that all end at one instant has no rate."""
    rates = [
        value / (end - begin)
        for value, (begin, end) in zip(values, pairwise(edges), strict=True)
        if end > begin
    ]
    return _estimate(sum(values) / (edges[-1] - edges[0]), rates)


def _estimate(value: float, of_batches: Sequence[float]) -> Estimate:
    if len(of_batches) < 2:
        return Estimate(value, value, value)
    half = _T * statistics.stdev(of_batches) / len(of_batches) ** 0.5
    return Estimate(value, max(0.0, value - half), value + half)


def _lengths(trace: Trace, resource: Resource, edges: Sequence[float]) -> tuple[Estimate, int]:
    """Return the mean length of a queue, and what it exceeds in 5 % of the time at most."""
    batches = time_at_lengths(trace.steps[resource], edges)
    areas = [sum(length * spent for length, spent in batch.items()) for batch in batches]
    mean = _per_second(areas, edges)
    total: dict[int, float] = {}
    for batch in batches:
        for length, spent in batch.items():
            total[length] = total.get(length, 0.0) + spent
    lengths = sorted(total)
    up_to = list(accumulate(total[length] for length in lengths))
    return mean, lengths[bisect_left(up_to, 0.95 * up_to[-1])]


def _use(trace: Trace, resource: Resource, edges: Sequence[float]) -> ResourceUse:
    waiting, most = _lengths(trace, resource, edges)
    blocked = sum(busy_seconds(trace.blocked.get(resource, ()), edges))
    return ResourceUse(
        resource=resource,
        busy=_per_second(busy_seconds(trace.busy[resource], edges), edges),
        blocked=blocked / (edges[-1] - edges[0]),
        waiting=waiting,
        waiting_p95=most,
    )
