"""Blocks: a graph taken apart at the downsets that every other downset contains or is within.

At such a *series point* each operator outside depends on each operator inside. Between two of
them lies a block; downsets of different blocks contain one another without a look, so what must
be enumerated adds up over the blocks instead of multiplying.

Source: a downset is comparable with all others exactly if each maximal operator inside is read
directly by each minimal operator outside; and then it is a beginning of every topological order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from fleet.cuts.graph import INPUT, NOTHING, CutGraph, Frontier


@dataclass(frozen=True, slots=True)
class Shared:
    """A tensor that is needed until all of several operators of a block have run."""

    readers: tuple[int, ...]
    """Counted from the block's first operator."""
    load: Frontier


@dataclass(frozen=True, slots=True)
class Block:
    """The operators between two series points, and what each changes of the frontier."""

    operators: range
    """Indices in the graph; within the block they count from 0."""
    start: Frontier
    """What crosses before the first of them."""
    before: tuple[tuple[int, ...], ...]
    """Of each operator: the operators of the block that it reads from."""
    changes: tuple[Frontier, ...]
    """Of each operator: what it adds, less what it is the last to read whatever the order."""
    shared: tuple[Shared, ...]

    @property
    def size(self) -> int:
        """How many operators it has."""
        return len(self.operators)


def blocks(graph: CutGraph) -> list[Block]:
    """Return the blocks of ``graph`` in their order."""
    start = NOTHING
    for wire in graph.wires:
        if wire.maker == INPUT:
            start = start.plus(wire.load)
    found = []
    for first, stop in pairwise([0, *series_points(graph)]):
        block = _block(graph, range(first, stop), start)
        found.append(block)
        start = block.start
        for change in block.changes:
            start = start.plus(change)
        for shared in block.shared:
            start = start.minus(shared.load)
    return found


def series_points(graph: CutGraph) -> Iterator[int]:
    """Yield the lengths of the beginnings of the order that are series points, the whole last."""
    waits = [len(before) for before in graph.before]
    ready = {index for index, count in enumerate(waits) if not count}
    tops: set[int] = set()  # operators that have run and that no operator that has run reads
    for index, before in enumerate(graph.before):
        if index and tops <= before and all(tops <= graph.before[other] for other in ready):
            yield index
        ready.remove(index)
        tops -= before
        tops.add(index)
        for after in graph.after[index]:
            waits[after] -= 1
            if not waits[after]:
                ready.add(after)
    if waits:
        yield len(waits)


def _block(graph: CutGraph, operators: range, start: Frontier) -> Block:
    first = operators.start
    changes, before = [], []
    shared: dict[int, Shared] = {}
    for index in operators:
        change = NOTHING
        for number in graph.writes[index]:
            change = change.plus(graph.wires[number].load)
        for number in graph.reads[index]:
            wire = graph.wires[number]
            if wire.kept or wire.readers[-1] >= operators.stop or number in shared:
                continue
            readers = tuple(reader - first for reader in wire.readers if reader >= first)
            if len(readers) == 1:
                change = change.minus(wire.load)
            else:
                shared[number] = Shared(readers, wire.load)
        changes.append(change)
        before.append(
            tuple(other - first for other in sorted(graph.before[index]) if other >= first)
        )
    return Block(operators, start, tuple(before), tuple(changes), tuple(shared.values()))
