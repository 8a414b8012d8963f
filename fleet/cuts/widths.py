"""What crosses between operators along one order, and the narrowest places along the way.

Pure: no I/O.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

import numpy as np

from fleet.cuts.graph import NOTHING, CutGraph, Frontier
from fleet.cuts.space import Numbers, Space

MOST_PLACES: Final = 15
"""Narrow places that are named at most."""
LEAST_PART: Final = 100
"""A place with less than one in so many parts of the way on a side is named for want of others."""


def along(graph: CutGraph) -> list[Frontier]:
    """Return what crosses before each operator of ``graph`` in its order, and after the last."""
    end = len(graph.ids)
    change = [NOTHING] * (end + 2)
    for wire in graph.wires:
        born = wire.maker + 1  # an input's maker is -1: it is there at the beginning
        gone = end + 1 if wire.kept else max(wire.readers, default=wire.maker) + 1
        change[born] = change[born].plus(wire.load)
        change[gone] = change[gone].minus(wire.load)
    return list(accumulate(change[: end + 1], lambda all_, one: all_.plus(one)))


def narrowest(space: Space, spent: Numbers, most: int = MOST_PLACES) -> list[int]:
    """Return the narrowest place in each part of the way; each contains the one before.

    Args:
        space: Where the graph may be cut.
        spent: Of each place: how far along the way it is; it never falls from subset to superset.
        most: Into how many equal parts the way is taken apart.
    """
    whole = int(spent[space.end])
    if not whole:
        return []
    inner = np.ones(len(space.places), np.bool_)
    inner[[0, space.end]] = False
    margin = max(whole // LEAST_PART, 1)
    sensible = inner & (spent >= margin) & (spent <= whole - margin)
    inner = sensible if sensible.any() else inner
    sizes = space.sizes()
    parts = np.minimum(spent * most // whole, most - 1)
    centres = (2 * np.arange(most) + 1) * (whole / (2 * most))
    off = np.abs(spent - centres[parts])
    chosen: list[int] = []
    inside: frozenset[int] = frozenset()
    for part in range(most):
        here = np.flatnonzero(inner & (parts == part))
        order = np.lexsort((sizes[here], off[here], space.tensors[here], space.size_bytes[here]))
        contains = _contains(space, chosen[-1] if chosen else 0, inside)
        found = next((place for place in here[order].tolist() if contains(place)), None)
        if found is not None:
            chosen.append(found)
            inside = space.before(found)
    return chosen


def _contains(space: Space, last: int, inside: frozenset[int]) -> Callable[[int], bool]:
    """Return what tells whether a place contains all operators of the one chosen ``last``."""

    def contains(place: int) -> bool:
        return last < space.earlier[place] or inside < space.before(place)

    return contains


def in_order(graph_order: Sequence[int], downsets: Sequence[frozenset[int]]) -> list[int]:
    """Return ``graph_order`` with the operators of each of a chain of downsets before all others.

    So each downset is a beginning of the order; among those that none parts, the order stays.
    """
    rank = {index: sum(index not in downset for downset in downsets) for index in graph_order}
    return sorted(graph_order, key=lambda index: rank[index])
