"""Bounds that many devices do not make expensive: a price for each use of a device.

Let each device be used as often as one likes, at a price each time, and give back all prices once.
A plan that uses each device at most once never pays more than it gets back. So the cheapest walk's
cost is a bound, for any prices. Good ones are found by raising those of devices that the cheapest
walk uses too often; where it uses none too often, it is itself a plan.

Source: state space relaxation with Lagrangian penalties, Christofides, Mingozzi and Toth, "State-
space relaxation procedures for the computation of bounds to routing problems" (Networks 11, 1981).
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from fleet.planner import latency, spaces, throughput, walks
from fleet.planner.tables import Floats, Tables, Walk
from fleet.planner.walks import Costs

ROUNDS: Final = 30
"""How often prices are changed at most, for one limit."""
HALVINGS: Final = 8
MOST_WORK: Final = 2e9
"""Numbers that all walks may look at; where one looks at many, prices change less often."""
CLOSE: Final = 0.005
"""Limits nearer to each other than this share are not looked at."""
STEP: Final = 0.5
"""By what a price grows at first, as an exponent, for each use too many."""
ROUNDING: Final = 1e-9
"""What sums of prices may be off by."""


@dataclass(frozen=True, slots=True)
class Priced:
    """What prices have shown."""

    bound_seconds: float
    """No plan is better; infinite: nothing fits."""
    walks: tuple[Walk, ...]
    """Plans that were met on the way; others may be better."""


def latency_bound(tables: Tables, stages: int, fewest: int, known_seconds: float) -> Priced:
    """Return a bound for the sum of all times; a plan of ``known_seconds`` is known."""
    costs, counts = latency.costs(tables), _counts(tables)
    space = spaces.relaxed(len(counts), stages)
    prices = np.zeros(len(counts))
    best, met = 0.0, []
    for round_ in range(2 * _rounds(tables, stages)):
        cost, walk = walks.cheapest(_with_prices(costs, prices), space, fewest)
        if not walk:
            return Priced(math.inf, ())
        bound = cost - float(prices @ counts)
        best = max(best, bound)
        over = _uses(walk, counts) - counts
        if (over <= 0).all():
            met.append(walk)
        over[(over < 0) & (prices == 0)] = 0  # nothing to lower
        if not over.any() or bound >= known_seconds:
            break
        missing = (known_seconds if known_seconds < math.inf else 1.2 * cost) - bound
        step = max(missing, ROUNDING * cost) / float(over @ over) / math.sqrt(1 + round_)
        prices = np.maximum(0.0, prices + step * over)
    return Priced(best, tuple(met))


def throughput_bound(tables: Tables, stages: int, fewest: int, known_seconds: float) -> Priced:
    """Return a bound for the largest time; a plan of ``known_seconds`` is known."""
    counts = _counts(tables)
    low, _ = throughput.fastest(tables, spaces.relaxed(len(counts), stages), fewest)
    if low == math.inf:
        return Priced(low, ())
    prices = 1 / tables.prefix[:, -1].clip(min=low)
    high, met = min(known_seconds, _longest(tables)), []
    for _ in range(HALVINGS):
        if high - low <= CLOSE * high:
            break
        limit = low + (high - low) / 2
        prices, cost, walk = _dearest(tables, stages, fewest, limit, prices)
        if cost > 1 + ROUNDING:
            low = limit
        else:
            high = limit
        if walk:
            met.append(walk)
            high = min(high, throughput.largest(tables, walk))
    return Priced(low, tuple(met))


def excluded(tables: Tables, stages: int, fewest: int) -> bool:
    """Return whether prices show that nothing fits; where they do not, perhaps nothing does."""
    even = np.ones(len(tables.types))
    _, cost, _ = _dearest(tables, stages, fewest, _longest(tables), even)
    return cost > 1 + ROUNDING


def _dearest(
    tables: Tables, stages: int, fewest: int, limit: float, prices: Floats
) -> tuple[Floats, float, Walk]:
    """Return prices, together 1, for which the cheapest walk within a limit is dear; its cost.

    Above 1 no plan keeps the limit. The walk is one that is a plan, else it is empty.
    """
    counts = _counts(tables)
    space = spaces.relaxed(len(counts), stages)
    free = Costs(
        prefix=np.zeros_like(tables.prefix),
        first=np.maximum(tables.first_fit, throughput.first_in_time(tables, limit)),
        hops=np.where(tables.transfer <= limit, 0.0, np.inf),
        entry=np.where(tables.entry_transfer <= limit, 0.0, np.inf),
        exit=np.where(tables.exit_transfer <= limit, 0.0, np.inf),
    )
    cost = 0.0
    for round_ in range(_rounds(tables, stages)):
        prices = prices / float(prices @ counts)
        cost, walk = walks.cheapest(_with_prices(free, prices), space, fewest)
        if cost > 1 + ROUNDING:
            break
        over = _uses(walk, counts) - counts
        if (over <= 0).all():
            return prices, cost, walk
        prices = prices * np.exp(STEP / (1 + round_ / 4) * over)
    return prices, cost, ()


def _with_prices(costs: Costs, prices: Floats) -> Costs:
    """Return costs with a price for each stage, by its device's type."""
    return replace(costs, hops=costs.hops + prices[None, :, None], entry=costs.entry + prices)


def _counts(tables: Tables) -> Floats:
    return np.array([len(members) for members in tables.types], float)


def _uses(walk: Walk, counts: Floats) -> Floats:
    return np.bincount([kind for kind, _, _ in walk], minlength=len(counts)).astype(float)


def _longest(tables: Tables) -> float:
    """Return a time that no stage and no transfer is above."""
    times = (tables.prefix, tables.transfer, tables.entry_transfer, tables.exit_transfer)
    return max(float(part[np.isfinite(part)].max(initial=0.0)) for part in times)


def _rounds(tables: Tables, stages: int) -> int:
    looked_at = stages * tables.transfer.size
    return max(2, min(ROUNDS, int(MOST_WORK / HALVINGS / looked_at)))
