"""The most memory that a segment's activations take at once. Pure."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from fleet.model_graph.facts import TensorFacts
from fleet.model_graph.graph import Graph
from fleet.model_graph.parts import Interface


def peak_activation_bytes(
    graph: Graph[Any], operators: Sequence[int], face: Interface, facts: Mapping[str, TensorFacts]
) -> int:
    """Return the most bytes of activations that exist at once while ``operators`` run in order."""
    last = len(operators)
    born = dict.fromkeys(face.inputs, 0)
    needed = dict.fromkeys(face.outputs, last)
    for place, index in enumerate(operators):
        born |= dict.fromkeys(graph.operators[index].writes, place)
        needed |= {name: max(place, needed.get(name, 0)) for name in graph.operators[index].reads}
    change = [0] * (last + 2)
    for name, begins in born.items():
        size_bytes = facts[name].size_bytes if name in facts else 0
        change[begins] += size_bytes
        change[max(begins, needed.get(name, 0)) + 1] -= size_bytes
    return max(accumulate(change))
