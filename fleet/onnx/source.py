"""Read an ONNX model from outside into one form: scanned, in memory, weights as initializers."""

import hashlib
import os
from collections.abc import Iterator
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

from fleet.onnx.graph import bodies
from wire.manifest import ModelRef
from wire.model.element_data import elements, size_bytes
from wire.model.errors import ExternalDataError, ModelMalformedError
from wire.model.files import map_model, opened_beside, scan_source

_SCALARS = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


@dataclass(frozen=True, slots=True)
class Source:
    """A model as it is cut: no weight lies outside it, or in a Constant operator."""

    model: ModelProto
    ref: ModelRef


def identify(path: Path) -> ModelRef:
    """Return the name of the model at ``path``, and the digest of its file and weights beside it.

    Raises:
        ModelError: No such file, no model, or one that the scan refuses (``model.*``).
    """
    locations = sorted(scan_source(path).needed_bytes)
    data = memoryview(map_model(path))
    sha256, total_bytes = hashlib.sha256(data), data.nbytes
    for location in locations:
        with opened_beside(path, location) as file, os.fdopen(os.dup(file), "rb") as stream:
            sha256.update(hashlib.file_digest(stream, "sha256").digest())
            total_bytes += os.fstat(file).st_size
    return ModelRef(name=path.name, sha256=sha256.hexdigest(), size_bytes=total_bytes)


def load(path: Path) -> Source:
    """Return the model at ``path``.

    Raises:
        ModelError: No such file, no model, or one that the scan refuses (``model.*``).
    """
    ref = identify(path)
    model = ModelProto()
    try:
        model.ParseFromString(memoryview(map_model(path)))
    except Exception as error:  # protobuf's own class has no type stubs
        raise ModelMalformedError(path.name, "", f"protobuf cannot read it ({error})") from error
    for tensor in _tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            _take_in(tensor, path)
    _weights_from_constants(model.graph)
    return Source(model, ref)


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        yield from _node_tensors(function)


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


def _take_in(tensor: TensorProto, path: Path) -> None:
    """Read a tensor's elements from the file that the scan allowed."""
    known = {entry.key: entry.value for entry in tensor.external_data}
    size = size_bytes(elements(tuple(tensor.dims)), tensor.data_type)
    with opened_beside(path, known["location"]) as file, os.fdopen(os.dup(file), "rb") as stream:
        stream.seek(int(known.get("offset", "0")))
        tensor.raw_data = stream.read(size)
    if len(tensor.raw_data) != size:
        raise ExternalDataError(path.name, f"tensor {tensor.name!r:.80}", "its file became shorter")
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def _weights_from_constants(graph: GraphProto) -> None:
    """Turn Constant operators into initializers, as runtimes themselves do."""
    kept: list[NodeProto] = []
    for node in graph.node:
        tensor = _constant(node)
        if tensor is None:
            kept.append(node)
        else:
            graph.initializer.append(tensor)
    if len(kept) == len(graph.node):
        return
    rest = [NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(rest)


def _constant(node: NodeProto) -> TensorProto | None:
    """Return the tensor of a Constant operator; None for another one, or for strings."""
    if node.op_type != "Constant" or node.domain not in ("", "ai.onnx") or not node.output:
        return None
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
