"""Join short side branches with what they hang on, so that they no longer run beside everything.

An operator whose result is only an output runs beside all that comes later, one that reads only
inputs beside all that comes before, and no beginning is a series point while there is one. Joined
with the operator that it reads, or that reads it, it hides none. What is lost: that the two may
be in different segments.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from fleet.cuts import graph as cut_graph
from fleet.cuts.graph import INPUT, CutGraph, Operator, Tensor

LONGEST: Final = 3
"""Operators in a branch that is joined: a conversion, a reshape and a transposition, say."""


def joined(graph: CutGraph, within: Iterable[range]) -> CutGraph:
    """Return ``graph`` with the short side branches in these ranges of operators joined.

    It is the same object where there are none.
    """
    groups: dict[int, list[int]] = {}
    for operator in (index for operators in within for index in operators):
        if not graph.after[operator]:
            branch, host = _branch(operator, graph.before, graph.after)
        elif not graph.before[operator]:
            branch, host = _branch(operator, graph.after, graph.before)
        else:
            continue
        if host is not None:
            groups.setdefault(host, [host]).extend(branch)
    return _with_groups(graph, groups) if groups else graph


def _branch(
    end: int, inwards: Sequence[Iterable[int]], outwards: Sequence[Sequence[int] | frozenset[int]]
) -> tuple[list[int], int | None]:
    """Return the operators from ``end`` to where its branch hangs on, and there; or None."""
    branch = [end]
    while len(branch) <= LONGEST:
        inner = list(inwards[branch[-1]])
        if len(inner) != 1:
            break
        if len(outwards[inner[0]]) > 1:
            return branch, inner[0]
        branch.append(inner[0])
    return branch, None


def _with_groups(graph: CutGraph, groups: dict[int, list[int]]) -> CutGraph:
    away = {index for host, group in groups.items() for index in group if index != host}
    operators = []
    for index in range(len(graph.ids)):
        if index in away:
            continue
        group = sorted(groups.get(index, [index]))
        writes = [number for member in group for number in graph.writes[member]]
        made = set(writes)
        reads = dict.fromkeys(number for member in group for number in graph.reads[member])
        operators.append(
            Operator(
                tuple(number for member in group for number in graph.ids[member]),
                tuple(graph.wires[number].name for number in reads if number not in made),
                tuple(graph.wires[number].name for number in writes),
            )
        )
    return cut_graph.cut_graph(
        operators,
        [wire.name for wire in graph.wires if wire.maker == INPUT],
        [graph.wires[number].name for number in graph.outputs],
        {wire.name: Tensor(wire.load.size_bytes, not wire.load.stuck) for wire in graph.wires},
    )
