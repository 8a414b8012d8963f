"""A model without functions of its own: each call is replaced by what the function does.

Not onnx's own inliner: it drops an attribute whose value is the function's, and confuses overloads.
"""

import itertools
from collections.abc import Iterator, Mapping

from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto

Key = tuple[str, str, str]


def written_out(model: ModelProto) -> ModelProto:
    """Return ``model`` with each call written out, in the bodies of operators too."""
    functions = {(f.domain, f.name, f.overload): f for f in model.functions}
    made = ModelProto()
    made.CopyFrom(model)
    del made.functions[:]
    _write_out(made.graph, functions, itertools.count())
    return made


def _write_out(
    graph: GraphProto, functions: Mapping[Key, FunctionProto], numbers: Iterator[int]
) -> None:
    nodes = list(graph.node)
    written = [one for node in nodes for one in _written(node, functions, numbers)]
    kept = [NodeProto.FromString(node.SerializeToString()) for node in written]
    del graph.node[:]
    graph.node.extend(kept)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _write_out(attribute.g, functions, numbers)


def _written(
    node: NodeProto, functions: Mapping[Key, FunctionProto], numbers: Iterator[int]
) -> Iterator[NodeProto]:
    function = functions.get((node.domain, node.op_type, node.overload))
    if function is None:
        yield node
        return
    call = f"call {next(numbers)}"
    left_out = [""] * len(function.input)
    names = dict(zip(function.input, [*node.input, *left_out], strict=False))
    names |= {own: name for own, name in zip(function.output, node.output, strict=False) if name}
    given = {a.name: a for a in (*function.attribute_proto, *node.attribute)}
    for inner in function.node:
        made = NodeProto()
        made.CopyFrom(inner)
        made.input[:] = [name and names.get(name, f"{call}: {name}") for name in inner.input]
        made.output[:] = [name and names.get(name, f"{call}: {name}") for name in inner.output]
        del made.attribute[:]
        made.attribute.extend(_attributes(inner, given))
        yield from _written(made, functions, numbers)


def _attributes(node: NodeProto, given: Mapping[str, AttributeProto]) -> Iterator[AttributeProto]:
    for attribute in node.attribute:
        assert not attribute.HasField("g")  # generated functions have no bodies inside
        value = given.get(attribute.ref_attr_name) if attribute.ref_attr_name else attribute
        if value is not None:
            made = AttributeProto()
            made.CopyFrom(value)
            made.name = attribute.name
            yield made
