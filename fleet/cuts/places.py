"""Find the places where a graph may be cut: all its downsets, or where those are too many, some.

The downsets of each block are enumerated up to a limit. The smallest blocks come first, so what is
searched depends on the graph alone and not on how a file lists it. A block of more stands with the
positions of three orders.

Operators that only make an output, or only prepare an input, run beside all that comes later or
before: where they make a block too large and stand in short branches, they are joined with the
operator next to them, which takes the block apart.

Pure: no I/O.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from fleet.cuts import blocks as cut_blocks
from fleet.cuts import chains as cut_chains
from fleet.cuts import downsets as cut_downsets
from fleet.cuts import joins as cut_joins
from fleet.cuts import orders as cut_orders
from fleet.cuts.blocks import Block
from fleet.cuts.chains import Chains
from fleet.cuts.graph import MAX_BYTES, MAX_TENSORS, CutGraph
from fleet.cuts.space import Numbers, Refused, Searched, Space


class Limits(NamedTuple):
    """How many downsets are looked at before a few orders must do."""

    in_block: int = 2_000
    """In one block, at first."""
    in_all: int = 20_000
    """In the whole graph, and in one block if there are so many left."""
    per_operator: int = 4
    """A block may always have so many for each of its operators: what orders would cost as well."""
    given_up: int = 60_000
    """In blocks that turned out to have too many."""
    relations: int = 4_000_000
    """Downsets of a block times the most that are of one size, in all: what a choice compares."""
    relations_per_operator: int = 64
    """So many for each of its operators a block may always have."""


LIMITS: Final = Limits()


ALONG_ORDERS: Final = Limits(
    in_block=0, in_all=0, per_operator=0, given_up=0, relations=0, relations_per_operator=0
)
"""No block is enumerated that has more than one operator."""


def find(graph: CutGraph, limits: Limits = LIMITS) -> Space:
    """Return where ``graph`` may be cut.

    Where downsets are too many, operators of side branches are joined, which leaves fewer places:
    ``ALONG_ORDERS`` joins none, and so finds the most segments that the orders allow.
    """
    blocks = cut_blocks.blocks(graph)
    found = _searched(graph, blocks, limits)
    partly = [
        block.operators for block, chains in zip(blocks, found, strict=True) if not chains.complete
    ]
    joined = graph if limits == ALONG_ORDERS else cut_joins.joined(graph, partly)
    joined_blocks = cut_blocks.blocks(joined) if joined is not graph else blocks
    if len(joined_blocks) > len(blocks):
        graph, blocks = joined, joined_blocks
        found = _searched(graph, blocks, limits)
    built = _Builder(graph)
    for block, chains in zip(blocks, found, strict=True):
        built.add(block, chains, last=block is blocks[-1])
    return built.space()


def _searched(graph: CutGraph, blocks: Sequence[Block], limits: Limits) -> list[Chains]:
    """Return what is searched of each block; enumerate the smallest blocks first."""
    found: dict[int, Chains] = {}
    tried = [-1] * len(blocks)
    downsets, relations, given_up = limits.in_all, limits.relations, limits.given_up
    waiting = sorted(range(len(blocks)), key=lambda place: blocks[place].size)
    for most in (limits.in_block, limits.in_all):
        for place in waiting:
            size = blocks[place].size
            allowed = min(most, downsets) if given_up > 0 else 0
            allowed = max(allowed, limits.per_operator * size)
            if allowed <= tried[place]:
                continue
            tried[place] = allowed
            chains = cut_downsets.all_downsets(
                blocks[place], allowed, max(relations, limits.relations_per_operator * size)
            )
            if chains is None:
                given_up -= allowed
            else:
                downsets -= len(chains.numbers)
                relations -= chains.relations
                found[place] = chains
        waiting = [place for place in waiting if place not in found]
        if given_up <= 0:
            break
    whole = cut_orders.depth_first(graph) if waiting else []
    found |= {place: _in_orders(blocks[place], whole) for place in waiting}
    return [found[place] for place in range(len(blocks))]


def _in_orders(block: Block, depth_first: Sequence[int]) -> Chains:
    first, stop = block.operators.start, block.operators.stop
    return cut_orders.along(
        block,
        [
            range(block.size),
            [index - first for index in depth_first[first:stop]],
            cut_orders.narrowest(block),
        ],
    )


@dataclass(slots=True, eq=False)
class _Builder:
    """A space as far as it is built, block after block."""

    graph: CutGraph
    parents: list[int] = field(default_factory=lambda: [0])
    added: list[int] = field(default_factory=lambda: [0])
    root: int = 0
    """In the tree: all operators of the blocks so far."""
    places: list[int] = field(default_factory=lambda: [0])
    end: int = 0
    size_bytes: list[int] = field(default_factory=lambda: [0])
    tensors: list[int] = field(default_factory=lambda: [0])
    earlier: list[int] = field(default_factory=lambda: [0])
    ranges: list[tuple[Numbers, Numbers, Numbers]] = field(default_factory=list)
    blocks: list[Searched] = field(default_factory=list)
    refused: Refused = field(default_factory=Refused)

    def add(self, block: Block, chains: Chains, *, last: bool) -> None:
        """Add a block: its places that are valid, and the ranges of those that they contain."""
        offset = len(self.parents) - 1  # number 0 of the block is the root
        first = block.operators.start
        self.parents += [offset + parent if parent else self.root for parent in chains.parents[1:]]
        self.added += [first + operator for operator in chains.added[1:]]
        self.root = offset + chains.whole
        self.blocks.append(Searched(block.size, len(chains.numbers), chains.complete))
        before = len(self.places)
        keep = []
        for number in chains.numbers.tolist():
            frontier = chains.frontiers[number]
            end = last and number == chains.whole
            keep.append(frontier.valid or end)
            if keep[-1]:
                if end:
                    self.end = len(self.places)
                self.places.append(offset + number)
                self.size_bytes.append(0 if end else frontier.size_bytes)
                self.tensors.append(0 if end else frontier.tensors)
                self.earlier.append(before)
            else:
                self.refused.stuck += frontier.stuck > 0
                self.refused.crowded += frontier.tensors > MAX_TENSORS
                self.refused.large += frontier.size_bytes > MAX_BYTES
        if len(self.places) - before < 2:
            return
        below, firsts = cut_chains.counted(chains.below, chains.firsts, np.array(keep))
        owners, within = np.nonzero(below)
        starts = firsts[within]
        self.ranges.append(
            (before + owners, before + starts, before + starts + below[owners, within])
        )

    def space(self) -> Space:
        """Return the space of all blocks so far."""
        nothing = np.zeros(0, np.int64)
        owners, starts, stops = (
            (np.concatenate([nothing, *columns]) for columns in zip(*self.ranges, strict=True))
            if self.ranges
            else (nothing, nothing, nothing)
        )
        return Space(
            ids=self.graph.ids,
            parents=self.parents,
            added=self.added,
            places=np.array(self.places, np.int64),
            end=self.end,
            size_bytes=np.array(self.size_bytes, np.int64),
            tensors=np.array(self.tensors, np.int64),
            earlier=np.array(self.earlier, np.int64),
            owners=owners,
            starts=starts,
            stops=stops,
            blocks=tuple(self.blocks),
            joined=sum(len(ids) - 1 for ids in self.graph.ids),
            refused=self.refused,
            stuck=self._stuck(),
        )

    def _stuck(self) -> tuple[str, ...]:
        """Return the tensors that cannot travel, without those that only the end has."""
        end = len(self.graph.ids) - 1 if self.blocks and self.blocks[-1].operators == 1 else None
        return tuple(
            wire.name for wire in self.graph.wires if wire.load.stuck and wire.maker != end
        )
