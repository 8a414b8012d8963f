"""The graph of a TFLite model: see `fleet.model_graph.graph`. Pure."""

from typing import Any, Final, TypeAlias

from fleet.model_graph import graph as model_graph
from fleet.model_graph.graph import Ends, Found
from fleet.tflite.cost import multiply_accumulates
from fleet.tflite.source import Source, indices
from wire.model.errors import ModelMalformedError

Graph: TypeAlias = model_graph.Graph[Any]
"""Its nodes are `OperatorT`."""

RANDOM: Final = frozenset({"MULTINOMIAL", "RANDOM_STANDARD_NORMAL", "RANDOM_UNIFORM"})
"""Operators that may give another value each time they run, whatever they read."""


def read(source: Source) -> Graph:
    """Return what there is to know of the model's graph.

    Raises:
        ModelMalformedError: A tensor is made twice, or by nobody, or of itself.
    """
    names, graph, file = source.names, source.graph, source.ref.name
    count = len(graph.tensors)
    taken, given = indices(graph.inputs), indices(graph.outputs)
    reads = [indices(operator.inputs) for operator in graph.operators]
    writes = [indices(operator.outputs) for operator in graph.operators]
    for index in [*taken, *given, *(i for found in (*reads, *writes) for i in found)]:
        if not -1 <= index < count:
            raise ModelMalformedError(file, f"tensor {index}", "there is none")
    found = [
        Found(
            node=operator,
            reads=tuple(dict.fromkeys(names[i] for i in read if i >= 0)),
            writes=tuple(names[i] for i in written if i >= 0),
            varies=kind in RANDOM,
            kind=kind,
        )
        for operator, kind, read, written in zip(
            graph.operators, source.kinds, reads, writes, strict=True
        )
    ]
    made = {index for written in writes for index in written}
    constants = frozenset(
        names[index]
        for index in range(count)
        if index not in made and index not in taken and _is_constant(source, index)
    )
    ends = Ends(
        tuple(dict.fromkeys(names[i] for i in taken if i >= 0)),
        tuple(dict.fromkeys(names[i] for i in given if i >= 0)),
        constants,
    )
    return model_graph.graph_of(found, ends, file, multiply_accumulates)


def _is_constant(source: Source, index: int) -> bool:
    """Whether a tensor that nobody makes has a value: bytes, or no elements at all."""
    data = source.data(index)
    if data is not None and len(data):
        return True
    return 0 in indices(source.graph.tensors[index].shape)
