"""If, Loop and Scan, whose bodies capture from the graphs around them."""

from collections.abc import Sequence

import numpy as np
from onnx import GraphProto, TypeProto, ValueInfoProto, helper

from tests.generated.arithmetic import smooth
from tests.generated.building import BOOL, F16, F64, FLOATS, I64, Build, F, Tensor, tensor_type
from tests.generated.functions import call
from tests.generated.single_nodes import UnfitError
from tests.generated.weights import exactly, stored

DEEPEST = 3


def if_(build: Build) -> Tensor:
    """Choose between two bodies that give the same types."""
    tensor = build.pick(FLOATS, fits=lambda t: t.known)
    condition = _condition(build)
    count = build.choose((1, 1, 2))
    naming, graphs, reads = _naming(build), [], [condition]
    for name in ("then", "else"):
        body = build.body(naming)
        graphs.append(_graph(body, name, [], [_chain(body, tensor) for _ in range(count)]))
        reads += body.captures()
    names = [build.name() for _ in range(count)]
    node = helper.make_node(
        "If", [condition.name], names, then_branch=graphs[0], else_branch=graphs[1]
    )
    return build.add(node, reads, [tensor.type] * count)[0]


def loop(build: Build) -> Tensor:
    """Repeat a body a few times; its results may be collected."""
    tensor = build.pick((F, F64), fits=lambda t: t.known)
    trips = exactly(build, np.array(build.size(1, 3), np.int64))
    body = build.body(_naming(build))
    scalars = tensor_type(I64, ()), tensor_type(BOOL, ())
    formals = [_formal(body, kind) for kind in (*scalars, tensor.type)]
    (still,) = body.op("Identity", [formals[1]])
    results = [_chain(body, formals[2], least=1)]
    types = [tensor.type]
    if build.chance(3):
        results.append(_chain(body, results[0], least=1))
        types.append(tensor_type(tensor.dtype, (None, *tensor.shape)))
    graph = _graph(body, "loop", formals, [still, *results])
    names = [build.name() for _ in results]
    node = helper.make_node("Loop", [trips.name, "", tensor.name], names, body=graph)
    return build.add(node, [trips, tensor, *body.captures()], types)[0]


def scan(build: Build) -> Tensor:
    """Go through the first axis with a state that begins as a weight."""
    if build.opset < 9:
        raise UnfitError
    tensor = build.pick((F,), (2, 3), lambda t: all(isinstance(n, int) for n in t.shape[1:]))
    inner = tensor_type(tensor.dtype, tensor.shape[1:])
    begin = stored(build, np.full(tensor.shape[1:], 0.5, np.float32))
    body = build.body(_naming(build))
    state, row = _formal(body, inner), _formal(body, inner)
    (after,) = body.op("Add", [state, row])
    given = _chain(body, row, least=1)
    graph = _graph(body, "scan", [state, row], [after, given])
    names = [build.name(), build.name()]
    node = helper.make_node("Scan", [begin.name, tensor.name], names, body=graph, num_scan_inputs=1)
    made = build.add(node, [begin, tensor, *body.captures()], [inner, tensor.type])
    return build.choose(made)


def _condition(build: Build) -> Tensor:
    flags = [t for t in build.visible() if t.dtype == BOOL and t.shape == ()]
    if flags and build.chance(2):
        return build.choose(flags)
    way = build.choose(("weight", "input", "computed"))
    if way == "input" and build.outer is None:
        return build.input(BOOL, ())
    if way == "weight":
        return exactly(build, np.array(build.chance(2)))
    tensor = build.pick((F,), (1, 2, 3), exact=True)
    (most,) = build.op("ReduceMax", [tensor], keepdims=0)
    return build.op("Greater", [most, exactly(build, np.array(0.25, np.float32))])[0]


def _chain(body: Build, tensor: Tensor, least: int = 0) -> Tensor:
    """Return a tensor of the type of ``tensor`` that an operator of the body gives."""
    made = tensor
    for _ in range(body.size(least, 3)):
        if _depth(body) < DEEPEST and body.chance(6):
            made = _nested(body, made)
        else:
            made = smooth(body, made)
    own = {name for node in body.nodes for name in node.output}
    if made.name not in own or made.type != tensor.type:
        (made,) = body.op("Identity", [tensor])
    return made


def _nested(body: Build, tensor: Tensor) -> Tensor:
    try:
        return call(body, tensor) if body.chance(2) else if_(body)
    except UnfitError:
        return tensor


def _formal(body: Build, kind: TypeProto) -> Tensor:
    half = kind.tensor_type.elem_type == F16
    tensor = Tensor(body.name(), kind, moving=True, exact=not half)
    body.tensors.append(tensor)
    return tensor


def _graph(
    body: Build, name: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> GraphProto:
    return GraphProto(
        name=name,
        node=body.nodes,
        input=[ValueInfoProto(name=tensor.name, type=tensor.type) for tensor in inputs],
        output=[ValueInfoProto(name=tensor.name, type=tensor.type) for tensor in outputs],
        initializer=body.weights,
    )


def _depth(build: Build) -> int:
    return 0 if build.outer is None else 1 + _depth(build.outer)


def _naming(build: Build) -> str:
    """Return names for bodies: those beside each other may use the same, and never outer ones."""
    build.root.count += 1
    return f"body{build.root.count // 8}_{_depth(build)}_{{}}"
