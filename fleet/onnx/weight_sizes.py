"""How many bytes of weights parts of a graph hold, and which operators need them.

A weight that is only read by operators on weights alone belongs to whatever reads their results.
"""

from collections.abc import Iterable, Mapping, Sequence

from onnx import TensorProto

from fleet.onnx.graph import Graph
from fleet.onnx.parts import with_constants
from fleet.onnx.source import Source
from wire.model.element_data import elements, size_bytes


def of_tensor(tensor: TensorProto) -> int:
    """Return the size of a weight in bytes."""
    if tensor.data_type == TensorProto.STRING:
        return sum(len(text) for text in tensor.string_data)
    return size_bytes(elements(tuple(tensor.dims)), tensor.data_type)


def used(
    source: Source, graph: Graph, operators: Iterable[int], outputs: Iterable[str] = ()
) -> dict[str, int]:
    """Return the weights that ``operators`` read, or that are ``outputs``, and their sizes."""
    names = {*outputs, *(name for index in operators for name in graph.operators[index].reads)}
    return {t.name: of_tensor(t) for t in source.model.graph.initializer if t.name in names}


def read(source: Source, graph: Graph) -> dict[int, dict[str, int]]:
    """Return the weights that each moving operator reads, directly or not, and their sizes."""
    every = used(source, graph, range(len(graph.operators)))
    found: dict[int, dict[str, int]] = {}
    for index in graph.moving:
        operators = with_constants(graph, [index])
        names = {name for one in operators for name in graph.operators[one].reads}
        found[index] = {name: every[name] for name in names if name in every}
    return found


def first_needed(source: Source, graph: Graph, order: Sequence[int]) -> dict[int, int]:
    """Return the bytes of weights that each operator is the first in ``order`` to need."""
    return firsts(read(source, graph), order)


def firsts(needed: Mapping[int, Mapping[str, int]], order: Sequence[int]) -> dict[int, int]:
    """Return the same of what `read` gave."""
    seen: set[str] = set()
    found: dict[int, int] = {}
    for index in order:
        found[index] = sum(size for name, size in needed[index].items() if name not in seen)
        seen.update(needed[index])
    return found
