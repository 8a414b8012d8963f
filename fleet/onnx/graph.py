"""The graph of an ONNX model: see `fleet.model_graph.graph`.

An operator that has graphs inside (If, Loop, Scan) stays whole; what its bodies capture from
outside counts as its inputs.

Pure: reads the protobuf, changes nothing.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Final, TypeAlias

from onnx import AttributeProto, FunctionProto, GraphProto, NodeProto

from fleet.model_graph import graph as model_graph
from fleet.model_graph.graph import Ends, Found
from fleet.onnx.cost import multiply_accumulates

Graph: TypeAlias = model_graph.Graph[NodeProto]
Operator: TypeAlias = model_graph.Operator[NodeProto]

OWN_DOMAINS: Final = ("", "ai.onnx")
RANDOM: Final = frozenset(
    {
        "Bernoulli",
        "Dropout",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)
"""Operators that may give another value each time they run, whatever they read."""


def read(graph: GraphProto, source: str, functions: Sequence[FunctionProto] = ()) -> Graph:
    """Return what there is to know of ``graph``; ``functions`` are those of its model.

    Raises:
        ModelMalformedError: A tensor is made twice, or by nobody, or of itself.
    """
    initializers = frozenset(_initializers(graph))
    given = tuple(value.name for value in graph.input if value.name not in initializers)
    random = _random_functions(functions)
    found = [
        Found(
            node=node,
            reads=tuple(dict.fromkeys(_reads(node))),
            writes=tuple(name for name in node.output if name),
            varies=_is_random(node, random),
            kind=node.op_type if node.domain in OWN_DOMAINS else f"{node.domain}.{node.op_type}",
            name=node.name,
        )
        for node in graph.node
    ]
    outputs = tuple(value.name for value in graph.output)
    return model_graph.graph_of(
        found, Ends(given, outputs, initializers), source, multiply_accumulates
    )


def captures(node: NodeProto) -> Iterator[str]:
    """Yield the names that the graphs inside ``node`` take from outside."""
    for body in bodies(node):
        yield from _free(body)


def bodies(node: NodeProto) -> Iterator[GraphProto]:
    """Yield the graphs directly inside ``node``."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def _initializers(graph: GraphProto) -> Iterator[str]:
    for tensor in graph.initializer:
        yield tensor.name
    for sparse in graph.sparse_initializer:
        yield sparse.values.name


def _reads(node: NodeProto) -> Iterator[str]:
    for name in node.input:
        if name:
            yield name
    yield from captures(node)


def _free(body: GraphProto) -> Iterator[str]:
    own = {*_initializers(body), *(value.name for value in body.input)}
    own.update(name for node in body.node for name in node.output)
    for node in body.node:
        for name in _reads(node):
            if name not in own:
                yield name
    for value in body.output:
        if value.name and value.name not in own:
            yield value.name


def _random_functions(functions: Sequence[FunctionProto]) -> set[tuple[str, str]]:
    random: set[tuple[str, str]] = set()
    before = -1
    while len(random) > before:  # functions call each other, in no order
        before = len(random)
        random.update(
            (function.domain, function.name)
            for function in functions
            if any(_is_random(node, random) for node in function.node)
        )
    return random


def _is_random(node: NodeProto, functions: Collection[tuple[str, str]]) -> bool:
    if node.op_type in RANDOM or (node.domain, node.op_type) in functions:
        return True
    return any(_is_random(inner, functions) for body in bodies(node) for inner in body.node)
