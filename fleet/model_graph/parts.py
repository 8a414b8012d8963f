"""Parts of an ONNX graph: what they depend on, take, give, and pass on.

A part is a set of moving operators, by index; constant ones are added where they are used.

Pure: changes nothing.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from fleet.model_graph.graph import Graph, ancestors


@dataclass(frozen=True, slots=True)
class Interface:
    """What one segment takes and gives."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def closure(graph: Graph[Any], tensors: Iterable[str]) -> frozenset[int]:
    """Return the moving operators that ``tensors`` depend on."""
    found = ancestors(tensors, [operator.reads for operator in graph.operators], graph.maker)
    return frozenset(index for index in found if not graph.operators[index].constant)


def with_constants(
    graph: Graph[Any], inside: Collection[int], extra: Iterable[str] = ()
) -> list[int]:
    """Return ``inside`` and the constant operators it needs, and ``extra`` too, in order."""
    found = set(inside)
    waiting = [name for index in inside for name in graph.operators[index].reads]
    waiting += extra
    while waiting:
        index = graph.maker.get(waiting.pop(), -1)
        if index >= 0 and index not in found and graph.operators[index].constant:
            found.add(index)
            waiting += graph.operators[index].reads
    return sorted(found)


def interface(graph: Graph[Any], done: Collection[int], inside: Collection[int]) -> Interface:
    """Return what the segment of operators ``inside`` takes and gives, after ``done`` have run.

    The last segment also gives the outputs that are constant.
    """
    made = {name for index in inside for name in graph.operators[index].writes}
    taken = {
        name
        for index in inside
        for name in graph.operators[index].reads
        if name not in made and not graph.is_constant(name)
    }
    later = set(graph.moving).difference(done, inside)
    needed = {name for index in later for name in graph.operators[index].reads}
    given = made & (needed | set(graph.outputs))
    if not later:
        given |= {name for name in graph.outputs if graph.is_constant(name)}
    order = {name: place for place, name in enumerate(graph.outputs)} if not later else {}
    return Interface(
        tuple(sorted(taken, key=graph.rank)),
        tuple(sorted(given, key=lambda name: (order.get(name, -1), _rank(graph, name)))),
    )


def crossing(graph: Graph[Any], done: Collection[int]) -> tuple[str, ...]:
    """Return the tensors that exist after ``done`` have run and are still needed, in order."""
    later = set(graph.moving).difference(done)
    needed = {name for index in later for name in graph.operators[index].reads}
    needed.update(graph.outputs)
    exist = {name for index in done for name in graph.operators[index].writes}
    exist.update(graph.inputs)
    return tuple(sorted(needed & exist, key=graph.rank))


def _rank(graph: Graph[Any], name: str) -> tuple[int, int]:
    return (-1, 0) if name in graph.initializers else graph.rank(name)
