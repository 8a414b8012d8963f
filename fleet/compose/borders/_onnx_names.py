"""Names of an ONNX graph's tensors, in it and in the graphs inside its nodes."""

from collections.abc import Iterable

from onnx import GraphProto

from fleet.onnx.graph import bodies


def names_of(graph: GraphProto) -> Iterable[str]:
    """Yield the names of all tensors, those of inner graphs included."""
    for values in (graph.input, graph.output, graph.value_info):
        yield from (value.name for value in values)
    yield from (tensor.name for tensor in graph.initializer)
    yield from (tensor.values.name for tensor in graph.sparse_initializer)
    for node in graph.node:
        yield from (*node.input, *node.output)
        for body in bodies(node):
            yield from names_of(body)


def rename(graph: GraphProto, old: str, new: str) -> None:
    """Rename a tensor wherever it is made or read; inner graphs may hide its name."""
    if old == new:
        return
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == old:
                    names[place] = new
        for body in bodies(node):
            if old not in set(_made(body)):
                rename(body, old, new)
    for tensor in graph.initializer:
        tensor.name = new if tensor.name == old else tensor.name
    for values in (graph.output, graph.value_info):
        for value in values:
            value.name = new if value.name == old else value.name


def _made(graph: GraphProto) -> Iterable[str]:
    yield from (value.name for value in graph.input)
    yield from (tensor.name for tensor in graph.initializer)
    for node in graph.node:
        yield from node.output
