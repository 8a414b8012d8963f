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
    windows = [_Windows(first) for first in costs.first]
    best, where = math.inf, (0, 0, 0)
    for index, layer in enumerate(space):
        now = np.full((len(costs.entry), layer.rows, costs.prefix.shape[1]), np.inf)
        for kind, (sources, targets) in enumerate(layer.moves):
            if not len(sources):
                continue
            if index:
                begins = (layers[-1][:, sources] + costs.hops[:, kind, None]).min(axis=0)
            else:
                begins = np.full((len(sources), costs.prefix.shape[1]), np.inf)
                begins[:, 0] = costs.entry[kind]
            begins -= costs.prefix[kind]
            now[kind, targets] = windows[kind].least(begins) + costs.prefix[kind]
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


class _Windows:
    """The least value in the window before each position, for windows that stay the same.

    Two windows of 1, 2, 4, ... positions cover any; their least values stand side by side.
    """

    def __init__(self, first: Ints) -> None:
        ends = np.arange(len(first))
        lengths = ends - first
        level = np.log2(np.maximum(lengths, 1)).astype(np.int64)
        self.levels = int(level.max()) + 1
        nothing = self.levels * len(first)  # a column behind all others
        self.left = np.where(lengths > 0, level * len(first) + first, nothing)
        self.right = np.where(lengths > 0, level * len(first) + ends - 2**level, nothing)

    def least(self, values: Floats) -> Floats:
        """Return [rows, n + 1], at q the least of ``values`` from ``first[q]`` to before q."""
        rows, size = values.shape
        table = np.full((rows, self.levels * size + 1), np.inf)
        table[:, :size] = values
        for level in range(1, self.levels):
            width, start = 2 ** (level - 1), level * size
            before = table[:, start - size : start]
            longest = size - width
            np.minimum(
                before[:, :longest], before[:, width:], out=table[:, start : start + longest]
            )
        return np.minimum(table[:, self.left], table[:, self.right])
