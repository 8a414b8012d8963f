"""The places where a graph may be cut, and what can be said of them.

Pure: no I/O. A space holds no costs: it is made once and searched as often as costs change.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleet.cuts import orders as cut_orders
from fleet.cuts.graph import MAX_BYTES, MAX_TENSORS

Numbers = NDArray[np.int64]
_COST_BITS: Final = 52


class Searched(NamedTuple):
    """How one block was searched."""

    operators: int
    downsets: int
    complete: bool


@dataclass(slots=True)
class Refused:
    """Why places were refused; one may be refused for several reasons."""

    stuck: int = 0
    """Tensors that cannot travel cross there."""
    crowded: int = 0
    """Too many tensors cross there."""
    large: int = 0
    """Too many bytes cross there."""

    def reasons(self, stuck: Sequence[str]) -> str:
        """Return what crosses at refused places, for people; ``stuck`` cannot travel."""
        said = []
        if self.stuck:
            names = ", ".join(f"{name!r:.80}" for name in stuck[:3])
            more = ", ..." if len(stuck) > 3 else ""
            said.append(f"a tensor that cannot travel crosses ({names}{more})")
        if self.crowded:
            said.append(f"more than {MAX_TENSORS} tensors cross")
        if self.large:
            said.append(f"more than {MAX_BYTES >> 20} MiB cross")
        return ", or ".join(said)


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Where one graph may be cut, each place a downset.

    Places are sorted by block, and within a block chain by chain. Place 0 is before all operators.
    """

    ids: tuple[tuple[int, ...], ...]
    """Of each operator: the caller's numbers, several where some were joined."""
    parents: Sequence[int]
    """A tree of downsets: of each, the one that lacks one operator of it."""
    added: Sequence[int]
    """Of each downset in the tree: the index of the operator that its parent lacks."""
    places: Numbers
    """Of each place: its downset in the tree."""
    end: int
    """The place after all operators."""
    size_bytes: Numbers
    """Of each place: what crosses there."""
    tensors: Numbers
    earlier: Numbers
    """Of each place: how many places, from the first, are of earlier blocks: proper subsets all."""
    owners: Numbers
    """Of each range of places in the same block: the place that contains them all; ascending."""
    starts: Numbers
    stops: Numbers
    """Of each range: its first place, and the one behind its last; a chain of subsets."""
    blocks: tuple[Searched, ...]
    joined: int
    """How many operators of side branches were joined with their neighbours."""
    refused: Refused
    stuck: tuple[str, ...]
    """Tensors that cannot travel and cross somewhere."""

    @property
    def complete(self) -> bool:
        """Whether all places that there are were looked at."""
        return all(block.complete for block in self.blocks) and not self.joined

    @property
    def cut_space(self) -> str:
        """What was searched, in a word, for the manifest: ``downsets`` are all there are."""
        if not all(block.complete for block in self.blocks):
            return f"order:{'+'.join(cut_orders.NAMES)}"
        return "downsets:side_branches_joined" if self.joined else "downsets"

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not searched, for people."""
        notes = []
        if self.joined:
            which = "that only prepare an input or only make an output"
            notes.append(f"{self.joined} operators {which} stay in one segment with a neighbour")
        partly = [block.operators for block in self.blocks if not block.complete]
        if partly:
            which = f"the largest, of {partly[0]} operators"
            if len(partly) > 1:
                which = f"the other {len(partly)}, of up to {max(partly)} operators"
            orders = ", ".join(cut_orders.NAMES).replace("_", " ")
            whole = f"{len(self.blocks) - len(partly)} of {len(self.blocks)} blocks by downsets"
            notes.append(f"cuts searched: {whole}; {which}, by the orders {orders}")
        return tuple(notes)

    @property
    def why(self) -> str:
        """Why there are not more segments than can be chosen, for people."""
        count, operators = len(self.places) - 2, sum(map(len, self.ids))
        if not operators:
            return "no operator depends on an input"
        reasons = self.refused.reasons(self.stuck)
        if not reasons:
            which = "operator depends" if operators == 1 else "operators depend"
            return f"only {operators} {which} on inputs"
        if not count:
            return f"no place can be cut: everywhere {reasons}"
        places = "1 place" if count == 1 else f"{count} places"
        return f"only {places} can be cut: everywhere else {reasons}"

    @property
    def downsets(self) -> int:
        """How many downsets were looked at, the empty one left out."""
        return sum(block.downsets for block in self.blocks)

    def spent(self, costs: Mapping[int, float]) -> Numbers:
        """Return what all operators before each place cost, in units of 2**-52 of the whole.

        Whole numbers add up to the same in any order, so costs of subsets are never larger.
        """
        values = [math.fsum(costs[index] for index in ids) for ids in self.ids]
        total = math.fsum(values)
        if not math.isfinite(total) or min(values, default=0) < 0:
            raise ValueError("costs must be finite and not negative")
        unit = max(math.ldexp(1.0, math.frexp(total)[1] - _COST_BITS), math.ulp(0.0))
        units = [round(value / unit) for value in values]
        spent = [0] * len(self.parents)
        for number in range(1, len(spent)):
            spent[number] = spent[self.parents[number]] + units[self.added[number]]
        return np.array(spent, np.int64)[self.places]

    def sizes(self) -> Numbers:
        """Return how many operators are before each place."""
        sizes = [0] * len(self.parents)
        for number in range(1, len(sizes)):
            sizes[number] = sizes[self.parents[number]] + 1
        return np.array(sizes, np.int64)[self.places]

    def before(self, place: int) -> frozenset[int]:
        """Return the caller's numbers of the operators before ``place``."""
        number = int(self.places[place])
        found: list[int] = []
        while number:
            found += self.ids[self.added[number]]
            number = self.parents[number]
        return frozenset(found)
