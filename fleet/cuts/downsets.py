"""All downsets of one block, size by size, with what crosses at each.

Source: downsets are a distributive lattice: each covers those that lack one of its maximal
operators, and holds exactly what these hold, and these.
"""

from typing import NamedTuple

import numpy as np

from fleet.cuts import chains as cut_chains
from fleet.cuts.blocks import Block
from fleet.cuts.chains import Chains
from fleet.cuts.graph import Frontier


def all_downsets(block: Block, downsets: int, relations: int) -> Chains | None:
    """Return all downsets of ``block``, or None where they are too many.

    At most ``downsets`` of them, and ``relations`` of them times the most of one size.
    """
    if block.size == 1:
        return cut_chains.single(block.start, block.changes[0])
    walk = _Walk(block)
    level = [_Open(0, 0, walk.unbound)]
    widest = 1
    while level:
        following = walk.expand(level, downsets)
        widest = max(widest, len(following))
        count = len(walk.parents) - 1
        if count > downsets or count * widest > relations:
            return None
        walk.chain(level, following)
        level = following
    return walk.chains(widest)


class _Open(NamedTuple):
    """A downset whose larger neighbours are not known yet; sets of operators are bit masks."""

    number: int
    held: int
    ready: int
    """Operators outside that need nothing else outside."""


class _Walk:
    """The lattice as far as it is known."""

    def __init__(self, block: Block) -> None:
        self.operators = _longest_path_first(block)
        bit = {operator: place for place, operator in enumerate(self.operators)}
        self.needs = [
            sum(1 << bit[other] for other in block.before[operator]) for operator in self.operators
        ]
        self.unbound = sum(1 << place for place, needs in enumerate(self.needs) if not needs)
        self.opens: list[list[int]] = [[] for _ in self.operators]
        for operator, before in enumerate(block.before):
            for other in before:
                self.opens[bit[other]].append(bit[operator])
        self.changes = [block.changes[operator] for operator in self.operators]
        self.shared: list[list[tuple[int, Frontier]]] = [[] for _ in self.operators]
        for wire in block.shared:
            readers = sum(1 << bit[reader] for reader in wire.readers)
            for reader in wire.readers:
                self.shared[bit[reader]].append((readers, wire.load))
        self.parents = [0]
        self.added = [0]
        self.frontiers = [block.start]
        self.covered: list[list[int]] = [[]]
        self.chain_of = [-1]
        self.sorted: list[list[int]] = []
        self.ended: list[
            tuple[int, int]
        ] = []  # largest set and number of chains that go no further

    def expand(self, level: list[_Open], limit: int) -> list[_Open]:
        """Return the downsets of one operator more; stop early beyond ``limit`` in all."""
        found: dict[int, int] = {}
        following: list[_Open] = []
        for number, held, ready in level:
            left = ready
            while left:
                bit = left & -left
                left ^= bit
                child = found.get(held | bit)
                if child is None:
                    child = found[held | bit] = len(self.parents)
                    following.append(self._add(number, held | bit, ready ^ bit, bit))
                self.covered[child].append(number)
            if len(self.parents) - 1 > limit:
                break
        return following

    def _add(self, parent: int, held: int, ready: int, bit: int) -> _Open:
        place = bit.bit_length() - 1
        frontier = self.frontiers[parent].plus(self.changes[place])
        for readers, load in self.shared[place]:
            if not readers & ~held:
                frontier = frontier.minus(load)
        for later in self.opens[place]:
            if not self.needs[later] & ~held:
                ready |= 1 << later
        self.parents.append(parent)
        self.added.append(self.operators[place])
        self.frontiers.append(frontier)
        self.covered.append([])
        self.chain_of.append(-1)
        return _Open(len(self.parents) - 1, held, ready)

    def chain(self, level: list[_Open], following: list[_Open]) -> None:
        """Let each chain that ends in ``level`` go on in ``following``, or else end."""
        went_on = set()
        for child in following:
            for parent in self.covered[child.number]:
                if parent and parent not in went_on:
                    went_on.add(parent)
                    self._put(child.number, self.chain_of[parent])
                    break
        self.ended += [
            (held, self.chain_of[number])
            for number, held, _ in level
            if number and number not in went_on
        ]
        for child in following:
            if self.chain_of[child.number] < 0:
                self._put(child.number, self._ended_within(child.held))

    def _ended_within(self, held: int) -> int:
        for place, (largest, chain) in enumerate(self.ended):
            if not largest & ~held:
                del self.ended[place]
                return chain
        self.sorted.append([])
        return len(self.sorted) - 1

    def _put(self, number: int, chain: int) -> None:
        self.chain_of[number] = chain
        self.sorted[chain].append(number)

    def chains(self, widest: int) -> Chains:
        """Return all that was found, at most ``widest`` of one size."""
        within = np.zeros((len(self.parents), len(self.sorted)), np.int32)  # the set itself too
        lengths = [0] * len(self.sorted)
        for number, chain in enumerate(self.chain_of):
            if number:
                row = within[number]
                for covered in self.covered[number]:
                    np.maximum(row, within[covered], out=row)
                lengths[chain] += 1
                row[chain] = lengths[chain]
        numbers, firsts = cut_chains.rows(self.sorted)
        below = within[numbers]
        below[np.arange(len(numbers)), np.array(self.chain_of)[numbers]] -= 1
        return Chains(
            parents=self.parents,
            added=self.added,
            frontiers=self.frontiers,
            whole=len(self.parents) - 1,
            numbers=numbers,
            firsts=firsts,
            below=below,
            relations=len(numbers) * widest,
            complete=True,
        )


def _longest_path_first(block: Block) -> list[int]:
    """Return the operators so that chains follow the longest path: fewer chains, less to count."""
    length: list[int] = []
    for before in block.before:
        length.append(1 + max((length[other] for other in before), default=0))
    here = max(range(block.size), key=lambda operator: length[operator])
    path = [here]
    while block.before[here]:
        here = max(block.before[here], key=lambda operator: length[operator])
        path.append(here)
    on_path = set(path)
    return path[::-1] + [operator for operator in range(block.size) if operator not in on_path]
