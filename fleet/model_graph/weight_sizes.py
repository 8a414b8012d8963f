"""How many bytes of weights parts of a graph hold, and which operators need them.

A weight that is only read by operators on weights alone belongs to whatever reads their results.
"""

from collections.abc import Iterable, Mapping, Sequence

from fleet.model_graph.open_model import OpenModel
from fleet.model_graph.parts import with_constants


def used(model: OpenModel, operators: Iterable[int], outputs: Iterable[str] = ()) -> dict[str, int]:
    """Return the weights that ``operators`` read, or that are ``outputs``, and their sizes."""
    graph = model.graph
    names = {*outputs, *(name for index in operators for name in graph.operators[index].reads)}
    return {name: size for name, size in model.weights.items() if name in names}


def read(model: OpenModel) -> dict[int, dict[str, int]]:
    """Return the weights that each moving operator reads, directly or not, and their sizes."""
    graph = model.graph
    every = used(model, range(len(graph.operators)))
    found: dict[int, dict[str, int]] = {}
    for index in graph.moving:
        operators = with_constants(graph, [index])
        names = {name for one in operators for name in graph.operators[one].reads}
        found[index] = {name: every[name] for name in names if name in every}
    return found


def first_needed(model: OpenModel, order: Sequence[int]) -> dict[int, int]:
    """Return the bytes of weights that each operator is the first in ``order`` to need."""
    return firsts(read(model), order)


def firsts(needed: Mapping[int, Mapping[str, int]], order: Sequence[int]) -> dict[int, int]:
    """Return the same of what `read` gave."""
    seen: set[str] = set()
    found: dict[int, int] = {}
    for index in order:
        found[index] = sum(size for name, size in needed[index].items() if name not in seen)
        seen.update(needed[index])
    return found
