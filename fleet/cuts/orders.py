"""Three orders to run a graph in, and what crosses at their positions within one block.

Where a block has too many downsets to look at all, these stand for them: each position of each
order is one, and they are searched together, so a cut may be of one order and the next of another.
"""

import heapq
from collections.abc import Sequence
from typing import Final

import numpy as np

from fleet.cuts import chains as cut_chains
from fleet.cuts.blocks import Block
from fleet.cuts.chains import Chains
from fleet.cuts.graph import CutGraph, Frontier

NAMES: Final = ("file", "depth_first", "narrowest")


def depth_first(graph: CutGraph) -> list[int]:
    """Return all operators in an order that starts a branch only when it is needed."""
    order: list[int] = []
    seen: set[int] = set()
    for output in graph.outputs:
        stack = [(graph.wires[output].maker, False)]
        while stack:
            index, ready = stack.pop()
            if ready:
                order.append(index)
            elif index >= 0 and index not in seen:
                seen.add(index)
                stack.append((index, True))
                stack += [(graph.wires[wire].maker, False) for wire in reversed(graph.reads[index])]
    return order


def narrowest(block: Block) -> list[int]:
    """Return the block's operators, next always the one that leaves the least alive."""
    waits = [len(before) for before in block.before]
    after: list[list[int]] = [[] for _ in waits]
    for operator, before in enumerate(block.before):
        for other in before:
            after[other].append(operator)
    change = list(block.changes)
    shared = _shared_by(block)
    left = [set(wire.readers) for wire in block.shared]
    queue = [_leaving(change, i) for i, count in enumerate(waits) if not count]
    heapq.heapify(queue)
    order: list[int] = []
    done = [False] * block.size
    while queue:
        entry = heapq.heappop(queue)
        operator = entry[-1]
        if done[operator] or entry != _leaving(change, operator):
            continue  # it was queued again when it became the last to read something
        done[operator] = True
        order.append(operator)
        for number in shared[operator]:
            left[number].remove(operator)
            if len(left[number]) == 1:
                (last,) = left[number]
                change[last] = change[last].minus(block.shared[number].load)
                if not waits[last]:
                    heapq.heappush(queue, _leaving(change, last))
        for later in after[operator]:
            waits[later] -= 1
            if not waits[later]:
                heapq.heappush(queue, _leaving(change, later))
    return order


def along(block: Block, orders: Sequence[Sequence[int]]) -> Chains:
    """Return the downsets at the positions of ``orders`` of the block's operators."""
    size = block.size
    parents, added, frontiers = [0], [0], [block.start]
    for order in orders:
        parents += [0, *range(len(parents), len(parents) + size - 1)]
        added += order
        frontiers += _frontiers(block, order)
    ends = [np.empty(size, np.int64) for _ in orders]
    for end, order in zip(ends, orders, strict=True):
        end[np.array(order)] = np.arange(size)
    lengths = np.arange(1, size + 1)
    below = np.zeros((len(orders) * size, len(orders)), np.int64)
    fresh = np.ones(len(orders) * size, np.bool_)
    for chain, order in enumerate(orders):
        for other, end in enumerate(ends):
            # the first n of `order` are all within the first furthest[n - 1] of the other
            furthest = np.maximum.accumulate(end[np.array(order)]) + 1
            held = np.searchsorted(furthest, lengths, side="right")
            below[other * size : (other + 1) * size, chain] = np.minimum(held, lengths - 1)
            if other < chain:
                fresh[chain * size : (chain + 1) * size] &= furthest != lengths
    firsts = np.arange(len(orders) + 1) * size
    below, firsts = cut_chains.counted(below, firsts, fresh)
    return Chains(
        parents=parents,
        added=added,
        frontiers=frontiers,
        whole=size,
        numbers=np.flatnonzero(fresh) + 1,
        firsts=firsts,
        below=below,
        relations=below.size,
        complete=False,
    )


def _frontiers(block: Block, order: Sequence[int]) -> list[Frontier]:
    shared = _shared_by(block)
    left = [len(wire.readers) for wire in block.shared]
    here = block.start
    found = []
    for operator in order:
        here = here.plus(block.changes[operator])
        for number in shared[operator]:
            left[number] -= 1
            if not left[number]:
                here = here.minus(block.shared[number].load)
        found.append(here)
    return found


def _shared_by(block: Block) -> list[list[int]]:
    """Return, of each operator, which of the block's shared tensors it reads."""
    shared: list[list[int]] = [[] for _ in range(block.size)]
    for number, wire in enumerate(block.shared):
        for reader in wire.readers:
            shared[reader].append(number)
    return shared


def _leaving(change: Sequence[Frontier], operator: int) -> tuple[int, int, int, int]:
    """Return what to compare ready operators by: first what cannot travel, then bytes."""
    size_bytes, tensors, stuck = change[operator]
    return stuck, size_bytes, tensors, operator
