"""The graph of a TFLite model: see `fleet.model_graph.graph`. Pure."""

from typing import Any, Final, TypeAlias

from fleet.model_graph import graph as model_graph
from fleet.model_graph.graph import Ends, Found
from fleet.tflite.cost import multiply_accumulates
from fleet.tflite.source import Source

Graph: TypeAlias = model_graph.Graph[Any]
"""Its nodes are `OperatorT`."""

RANDOM: Final = frozenset({"MULTINOMIAL", "RANDOM_STANDARD_NORMAL", "RANDOM_UNIFORM"})
"""Operators that may give another value each time they run, whatever they read."""


def read(source: Source) -> Graph:
    """Return what there is to know of the model's graph.

    Raises:
        ModelMalformedError: A tensor is made twice, or by nobody, or of itself.
    """
    names, graph = source.names, source.graph
    found = [
        Found(
            node=node,
            reads=_named(source, operator.inputs),
            writes=_named(source, operator.outputs),
            varies=source.kind(index) in RANDOM,
            kind=source.kind(index),
        )
        for index, (node, operator) in enumerate(
            zip(source.model.subgraphs[0].operators or (), graph.operators, strict=True)
        )
    ]
    variable = {*graph.inputs, *(index for one in graph.operators for index in one.outputs)}
    constants = frozenset(
        names[index]
        for index, tensor in enumerate(graph.tensors)
        if index not in variable and (source.data(index) is not None or 0 in tensor.shape)
    )
    ends = Ends(_named(source, graph.inputs), _named(source, graph.outputs), constants)
    return model_graph.graph_of(found, ends, source.ref.name, multiply_accumulates)


def _named(source: Source, indices: tuple[int, ...]) -> tuple[str, ...]:
    """Return the names of tensors, each once; -1 stands for one that is left out."""
    return tuple(dict.fromkeys(source.names[index] for index in indices if index >= 0))
