"""Downsets of one block, sorted into chains, so that inclusion is a matter of counting.

Along a chain each set holds the one before it. So of a chain, those that another downset holds
are its first few, and one number says which: no pair of sets is ever compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleet.cuts.graph import Frontier

Counts = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Chains:
    """Downsets of one block by number, and those of them that count, chain after chain.

    Number 0 is the block's beginning, where none of its operators has run; it is in no chain.
    """

    parents: list[int]
    """Of each number: that of a downset that lacks one operator of it."""
    added: list[int]
    """Of each number: the operator that its parent lacks, counted from the block's first."""
    frontiers: list[Frontier]
    whole: int
    """The number of the block's end, where all of its operators have run."""
    numbers: Counts
    """Rows: numbers, chain after chain, each from its smallest set to its largest."""
    firsts: Counts
    """The row at which each chain begins, and how many rows there are."""
    below: Counts
    """Of each row and chain: how many sets of that chain are proper subsets."""
    relations: int
    """What it takes to compare them: how many they are, times the most that are of one size."""
    complete: bool
    """Whether these are all downsets of the block."""


def counted(below: Counts, firsts: Counts, keep: NDArray[np.bool_]) -> tuple[Counts, Counts]:
    """Return ``below`` and ``firsts`` with only those rows left that ``keep`` marks."""
    before = np.concatenate([[0], np.cumsum(keep)])
    starts = firsts[:-1]
    return before[starts + below[keep]] - before[starts], before[firsts]


def single(start: Frontier, change: Frontier) -> Chains:
    """Return the one downset of a block of one operator."""
    return Chains(
        parents=[0, 0],
        added=[0, 0],
        frontiers=[start, start.plus(change)],
        whole=1,
        numbers=_ONE,
        firsts=_ZERO_ONE,
        below=_NONE_BELOW,
        relations=1,
        complete=True,
    )


_ONE = np.array([1])
_ZERO_ONE = np.array([0, 1])
_NONE_BELOW = np.zeros((1, 1), np.int64)


def rows(chains: Sequence[Sequence[int]]) -> tuple[Counts, Counts]:
    """Return the numbers of all chains, one after the other, and where each begins."""
    lengths = [len(chain) for chain in chains]
    numbers = np.array([number for chain in chains for number in chain], np.int64)
    return numbers, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
