"""The cheapest way through the chain, stage by stage, in one space of states.

The least cost to every (devices used, last device, position), all positions at once: a stage from p
to q adds ``prefix[q] - prefix[p]``, so the best p for each q is the smallest of (cost to begin at
p) - prefix[p] in the window of those p from which a stage may reach q.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fleet.planner.spaces import Layer
from fleet.planner.tables import Floats, Ints, Walk


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """What a walk is charged for, by device type and position; infinite: not possible."""

    prefix: Floats
    """[types, n + 1]: a stage from p to q costs the difference."""
    first: Ints
    """[types, n + 1]: where a stage that ends at q may begin; q where none may end there."""
    hops: Floats
    """[types, types, n + 1]: of a cut at p from one device to another."""
    entry: Floats
    """[types]"""
    exit: Floats
    """[types]"""


def cheapest(costs: Costs, space: Sequence[Layer], fewest: int) -> tuple[float, Walk]:
    """Return the smallest cost of a walk of ``fewest`` stages or more, and the walk.

    Returns:
        Infinity and no stages where nothing fits.
    """
    layers: list[Floats] = []
    """Of each [types, rows, n + 1]: the least cost to have run q operators."""
    best, where = math.inf, (0, 0, 0)
    for index, layer in enumerate(space):
        now = np.full((len(costs.entry), layer.rows, costs.prefix.shape[1]), np.inf)
        for kind, (sources, targets) in enumerate(layer.moves):
            if index:
                begins = (layers[-1][:, sources] + costs.hops[:, kind, None]).min(axis=0)
            else:
                begins = np.full((len(sources), costs.prefix.shape[1]), np.inf)
                begins[:, 0] = costs.entry[kind]
            begins -= costs.prefix[kind]
            now[kind, targets] = _window_least(begins, costs.first[kind]) + costs.prefix[kind]
        layers.append(now)
        done = now[:, :, -1] + costs.exit[:, None]
        if index + 1 >= fewest and done.min() < best:
            best = float(done.min())
            where = (index, *divmod(int(done.argmin()), layer.rows))
    return (best, _back(costs, space, layers, where)) if best < math.inf else (best, ())


def _back(
    costs: Costs, space: Sequence[Layer], layers: Sequence[Floats], where: tuple[int, int, int]
) -> Walk:
    """Return the walk that ends at a layer, device type and row."""
    last, kind, row = where
    end = costs.prefix.shape[1] - 1
    walk = []
    for index in range(last, 0, -1):
        row = space[index].before(kind, row)
        begins = slice(int(costs.first[kind, end]), end)
        before = layers[index - 1][:, row, begins] + costs.hops[:, kind, begins]
        before -= costs.prefix[kind, begins]
        previous, begin = map(int, np.unravel_index(before.argmin(), before.shape))
        begin += begins.start
        walk.append((kind, begin, end))
        kind, end = previous, begin
    return ((kind, 0, end), *reversed(walk))


def _window_least(values: Floats, first: Ints) -> Floats:
    """Return [rows, n + 1], at q the least of ``values`` from ``first[q]`` to before q.

    By minima over windows of 1, 2, 4, ... positions, of which two cover any window.
    """
    least = np.full_like(values, np.inf)
    lengths = np.arange(len(first)) - first
    width = 1
    while (lengths >= width).any():
        ends = np.flatnonzero((lengths >= width) & (lengths < 2 * width))
        least[:, ends] = np.minimum(values[:, first[ends]], values[:, ends - width])
        values = np.minimum(values[:, :-width], values[:, width:])
        width *= 2
    return least
