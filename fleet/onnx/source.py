"""Read an ONNX model from outside into one form: scanned, flat, its weights left in their files.

What comes out is a skeleton (`wire.model.skeleton`): functions are written out where they are
called, Constant operators became initializers, and the weights of 1 KiB and more are references
that `WeightFiles` follows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    numpy_helper,
)

from fleet.onnx import functions as onnx_functions
from fleet.onnx.graph import bodies
from fleet.onnx.stored import WeightFiles
from wire.manifest import ModelRef
from wire.model.element_data import elements, size_bytes
from wire.model.errors import ModelMalformedError, OperatorRefusedError
from wire.model.files import map_model, scan_source, scanned_source
from wire.model.operator_domains import ALLOWED_DOMAINS
from wire.model.skeleton import IN_FILE, is_inline, skeleton

_SCALARS = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


@dataclass(frozen=True, slots=True)
class Source:
    """A model as it is cut: its structure, and where its weights are."""

    model: ModelProto
    """Flat, no operator a Constant with a tensor; large initializers are references."""
    ref: ModelRef
    files: WeightFiles
    weight_bytes: int
    """Of all its tensors."""
    functions_written_out: int
    """How many functions of its own are gone, since they were written out or nobody calls them."""


def identify(path: Path) -> ModelRef:
    """Return the name of the model at ``path``, and the digest of its file and weights beside it.

    Raises:
        ModelError: No such file, no model, or one that the scan refuses (``model.*``).
    """
    beside = scan_source(path).needed_bytes
    with WeightFiles(path) as files:
        return files.ref(beside)


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Give the model at ``path``; its weights can be read until the block ends.

    Raises:
        ModelError: No such file, no model, or one that the scan refuses (``model.*``).
        ModelChangedError: When the block ends: somebody wrote to the files meanwhile.
    """
    with WeightFiles(path) as files:
        data = map_model(path)
        scanned = scanned_source(path, data)
        model = _parsed(skeleton(data, source=path.name), path.name)
        del data  # with the last view of it the map ends, and its pages are no longer ours
        written_out = onnx_functions.write_out(model)
        _check(model, path.name)
        _weights_from_constants(model.graph, path.name)
        _take_in(model, files)
        ref = files.ref(scanned.needed_bytes)
        yield Source(model, ref, files, scanned.weight_bytes, written_out)
        files.check_unchanged()


def _parsed(data: bytes, source: str) -> ModelProto:
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # protobuf's own class has no type stubs
        raise ModelMalformedError(source, "", f"protobuf cannot read it ({error})") from error
    return model


def _check(model: ModelProto, source: str) -> None:
    """Refuse what every runtime refuses, before anything is written."""
    if not model.ir_version:
        raise ModelMalformedError(source, "", "it says no ir_version")
    own = {function.domain for function in model.functions}
    for node in onnx_functions.all_nodes(model):
        if node.domain not in ALLOWED_DOMAINS | {"ai.onnx"} | own:
            rule = f"operator domain {node.domain!r:.80} is not allowed"
            raise OperatorRefusedError(source, f"node {node.name!r:.80} ({node.op_type})", rule)
    seen: set[str] = set()
    for value in model.graph.input:
        if value.name in seen:
            raise ModelMalformedError(source, f"input {value.name!r:.80}", "is listed twice")
        seen.add(value.name)


def _graph_tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(graph)


def _node_tensors(holder: GraphProto | FunctionProto) -> Iterator[TensorProto]:
    for node in holder.node:
        for attribute in node.attribute:
            yield from _attribute_tensors(attribute)
        for body in bodies(node):
            yield from _graph_tensors(body)


def _attribute_tensors(attribute: AttributeProto) -> Iterator[TensorProto]:
    if attribute.type == AttributeProto.TENSOR:
        yield attribute.t
    elif attribute.type == AttributeProto.SPARSE_TENSOR:
        yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
    yield from attribute.tensors
    for sparse in attribute.sparse_tensors:
        yield from (sparse.values, sparse.indices)


def _take_in(model: ModelProto, files: WeightFiles) -> None:
    """Read the tensors that cannot be referred to from a segment: small ones, and inner ones."""
    for tensor in model.graph.initializer:
        in_file = any(entry.value == IN_FILE for entry in tensor.external_data)
        size = size_bytes(elements(tuple(tensor.dims)), tensor.data_type)
        is_small = is_inline(size, tensor.data_type, len(tensor.dims))
        if tensor.data_location == TensorProto.EXTERNAL and is_small and not in_file:
            tensor.CopyFrom(files.whole(tensor))
    inner = [part for s in model.graph.sparse_initializer for part in (s.values, s.indices)]
    for holder in (model.graph, *model.functions):
        inner += _node_tensors(holder)
    for tensor in inner:
        if tensor.data_location == TensorProto.EXTERNAL:
            tensor.CopyFrom(files.whole(tensor))


def _weights_from_constants(graph: GraphProto, source: str) -> None:
    """Turn Constant operators into initializers, as runtimes themselves do."""
    kept: list[NodeProto] = []
    for node in graph.node:
        tensor = _constant(node, source)
        if tensor is None:
            kept.append(node)
        else:
            graph.initializer.append(tensor)
    if len(kept) == len(graph.node):
        return
    rest = [NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(rest)


def _constant(node: NodeProto, source: str) -> TensorProto | None:
    """Return the tensor of a Constant operator; None for another one, or for strings."""
    if node.op_type != "Constant" or node.domain not in ("", "ai.onnx"):
        return None
    if len(node.output) != 1 or len(node.input):
        place = f"node {node.name!r:.80} (Constant)"
        raise ModelMalformedError(source, place, "takes no input and gives one output")
    (attribute,) = node.attribute if len(node.attribute) == 1 else (AttributeProto(),)
    if attribute.name == "value" and attribute.type == AttributeProto.TENSOR:
        tensor = TensorProto()
        tensor.CopyFrom(attribute.t)
    elif attribute.name in _SCALARS:
        values = {
            "value_float": attribute.f,
            "value_floats": list(attribute.floats),
            "value_int": attribute.i,
            "value_ints": list(attribute.ints),
        }[attribute.name]
        tensor = numpy_helper.from_array(np.array(values, _SCALARS[attribute.name]))
    else:
        return None
    tensor.name = node.output[0]
    return tensor
