"""Which devices a plan has used so far: the states that a search goes through, stage by stage.

A search must know which devices are used, for each may be used once: it tells sets of used devices
apart. There are many of them. In a *relaxed* space there is one row, and devices may be used again
and again: nothing there is worse than the best plan, so what is found there is a bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from fleet.planner.tables import Ints

LARGEST_CODE: Final = 2**62
"""Sets of used devices have numbers, which must fit into 64 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """From plans of m stages to plans of m + 1."""

    rows: int
    """Different sets of used devices behind m + 1 stages."""
    moves: tuple[tuple[Ints, Ints], ...]
    """Of each device type: rows of sets that still have one, and the rows they come to with it."""

    def before(self, kind: int, row: int) -> int:
        """Return the row that a move of a type to ``row`` comes from."""
        sources, targets = self.moves[kind]
        return int(sources[np.flatnonzero(targets == row)[0]])


def relaxed(kinds: int, stages: int) -> tuple[Layer, ...]:
    """Return the space of up to ``stages`` stages in which devices may be used again."""
    only = np.zeros(1, np.int64)
    return (Layer(1, ((only, only),) * kinds),) * stages


def ordered(kinds: int, order: Sequence[int]) -> tuple[Layer, ...]:
    """Return the space in which each stage's device type is given."""
    only, none = np.zeros(1, np.int64), np.zeros(0, np.int64)
    return tuple(
        Layer(1, tuple((only, only) if kind == chosen else (none, none) for kind in range(kinds)))
        for chosen in order
    )


def full(counts: Sequence[int], stages: int, most_rows: int) -> tuple[Layer, ...]:
    """Return the space of up to ``stages`` stages that tells all sets of used devices apart.

    Args:
        counts: How many devices each type has.
        stages: How many stages a plan has at most.
        most_rows: How many rows all layers may have together.

    Returns:
        No layers if they would have more rows.
    """
    strides, size = [], 1
    for count in counts:
        strides.append(size)
        size *= count + 1
    if size > LARGEST_CODE:
        return ()
    codes = np.zeros(1, np.int64)  # a set's number has a digit for each type: how many are used
    layers: list[Layer] = []
    rows = 0
    for _ in range(stages):
        sources = [
            np.flatnonzero(codes // stride % (count + 1) < count)
            for stride, count in zip(strides, counts, strict=True)
        ]
        targets = [codes[used] + stride for used, stride in zip(sources, strides, strict=True)]
        codes = np.array(sorted(set(np.concatenate(targets).tolist())), np.int64)
        rows += len(codes)
        if rows > most_rows:
            return ()
        found = [np.searchsorted(codes, target) for target in targets]
        layers.append(Layer(len(codes), tuple(zip(sources, found, strict=True))))
    return tuple(layers)
