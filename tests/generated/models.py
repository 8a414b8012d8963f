"""From a graph in the making to a model: nodes in some order, declarations, versions."""

from collections.abc import Iterator, Sequence

import onnx
from hypothesis import strategies as st
from onnx import GraphProto, ModelProto, NodeProto, TypeProto, ValueInfoProto, helper

from tests.generated.building import Build, Tensor

IR_VERSIONS = (8, 9, 10, 11, 12, 13, 3, 4, 7)
WEIGHTS_ARE_INPUTS_BEFORE, FUNCTIONS_SINCE, OVERLOADS_SINCE = 4, 8, 10


def assembled(build: Build, outputs: Sequence[Tensor]) -> ModelProto:
    """Return the model that gives ``outputs``."""
    is_open = build.chance(6)
    graph = GraphProto(
        name="generated",
        node=_ordered(build),
        input=build.inputs,
        output=[_declared(build, tensor, is_open) for tensor in outputs],
        initializer=build.weights,
        sparse_initializer=build.sparse,
    )
    ir_version = build.choose([v for v in IR_VERSIONS if v >= _least_version(build)])
    model = ModelProto(ir_version=ir_version, graph=graph, producer_name="generated")
    model.opset_import.append(helper.make_opsetid(build.choose(("", "", "ai.onnx")), build.opset))
    own = sorted({function.domain for function in build.functions})
    domains = [helper.make_opsetid(domain, 1) for domain in own]
    model.opset_import.extend(domains)
    if any(node.domain == "com.microsoft" for node in build.nodes):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.functions.extend(build.functions)
    for function in model.functions:
        function.opset_import.extend(domains)
    listed = [helper.make_tensor_value_info(w.name, w.data_type, w.dims) for w in build.weights]
    if ir_version < WEIGHTS_ARE_INPUTS_BEFORE:
        model.graph.input.extend(listed)
    elif listed and build.chance(12):
        model.graph.input.append(listed[0])  # a weight that may be given another value
    if build.chance(2):
        _describe(build, model)
    return model


def _least_version(build: Build) -> int:
    if any(function.overload for function in build.functions):
        return OVERLOADS_SINCE
    if build.functions:
        return FUNCTIONS_SINCE
    bodies = [a.g for node in build.nodes for a in node.attribute if a.HasField("g")]
    return WEIGHTS_ARE_INPUTS_BEFORE if bodies else min(IR_VERSIONS)


def _declared(build: Build, tensor: Tensor, is_open: bool) -> ValueInfoProto:
    """Declare an output: as it is known, with other names in it, or without its shape."""
    kind = TypeProto()
    kind.CopyFrom(tensor.type)
    if is_open:
        kind.tensor_type.ClearField("shape")
    elif build.chance(3):
        for dim in kind.tensor_type.shape.dim:
            if not dim.HasField("dim_value"):
                build.count += 1  # one name, one size: the runtime relies on it
                dim.dim_param = build.choose(("", f"size{build.count}"))
    return ValueInfoProto(name=tensor.name, type=kind)


def _describe(build: Build, model: ModelProto) -> None:
    """Note types and shapes of the tensors between, of all or of every other."""
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError):
        return
    known = [value for value in inferred.graph.value_info if value.type.tensor_type.elem_type]
    model.graph.value_info.extend(known[:: build.choose((1, 2))])


def _ordered(build: Build) -> list[NodeProto]:
    """Return the nodes in an order that is topological: as made, branches alternating, or any."""
    way = build.choose(("made", "alternating", "any"))
    if way == "made":
        return build.nodes
    random = build.draw(st.randoms(use_true_random=False)) if way == "any" else None
    maker = {name: i for i, node in enumerate(build.nodes) for name in node.output if name}
    waits = [
        {maker[name] for name in _mentioned(node) if name in maker} - {index}
        for index, node in enumerate(build.nodes)
    ]
    ready = [index for index, before in enumerate(waits) if not before]
    order: list[int] = []
    while ready:
        index = ready.pop(random.randrange(len(ready)) if random else 0)
        order.append(index)
        for after, before in enumerate(waits):
            if index in before:
                before.remove(index)
                ready += [] if before else [after]
    return [build.nodes[index] for index in order]


def _mentioned(node: NodeProto) -> Iterator[str]:
    """Yield the names that a node and the bodies inside it read; a body's own do no harm."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _mentioned(inner)
