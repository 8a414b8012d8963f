"""Write part of an ONNX graph as a segment: ``segment.onnx`` and ``weights.bin``.

The segment keeps the model's names, opsets and functions. The same operators in give the same
bytes out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onnx import (
    FunctionProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    StringStringEntryProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from fleet import weights
from fleet.onnx.graph import Graph, bodies
from fleet.onnx.shapes import TensorFacts
from wire.model.element_data import elements, size_bytes
from wire.tensors import ELEMENT_TYPES

MODEL_FILE: Final = "segment.onnx"
WEIGHTS_FILE: Final = "weights.bin"
_WEIGHTS_ARE_INPUTS_BEFORE: Final = 4
"""Up to IR version 3 every initializer is also listed as an input."""


@dataclass(frozen=True, slots=True)
class Part:
    """What becomes one segment."""

    name: str
    operators: Sequence[int]
    """Indices in the graph, constant ones included, in order."""
    inputs: Mapping[str, TensorFacts]
    outputs: Mapping[str, TensorFacts]
    metadata: Mapping[str, str]


def write(folder: Path, model: ModelProto, graph: Graph, part: Part) -> int:
    """Write the segment into ``folder``, which exists, and return its weights' size in bytes."""
    nodes = [graph.operators[index].node for index in part.operators]
    used = {name for index in part.operators for name in graph.operators[index].reads}
    used.update(part.outputs)
    made = ModelProto(ir_version=model.ir_version, producer_name="paceline")
    made.opset_import.extend(model.opset_import)
    made.functions.extend(_functions(model, nodes))
    made.metadata_props.extend(
        StringStringEntryProto(key=key, value=value) for key, value in sorted(part.metadata.items())
    )
    made.graph.name = part.name
    made.graph.node.extend(nodes)
    made.graph.input.extend(_value(name, facts) for name, facts in part.inputs.items())
    made.graph.output.extend(_value(name, facts) for name, facts in part.outputs.items())
    made.graph.value_info.extend(_inner_values(model, graph, part))
    initializers = [tensor for tensor in model.graph.initializer if tensor.name in used]
    sparse = [tensor for tensor in model.graph.sparse_initializer if tensor.values.name in used]
    made.graph.input.extend(_weights_as_inputs(model, initializers))
    made.graph.sparse_initializer.extend(sparse)
    outside = {tensor.name: _elements(tensor) for tensor in initializers}
    placed = weights.place((n, data) for n, data in outside.items() if data is not None)
    places = {tensor.name: tensor for tensor in placed}
    for tensor in initializers:
        inside = tensor.name not in places
        made.graph.initializer.append(tensor if inside else _outside(tensor, places[tensor.name]))
    (folder / MODEL_FILE).write_bytes(made.SerializeToString(deterministic=True))
    with (folder / WEIGHTS_FILE).open("wb") as file:
        file.writelines(weights.pieces(placed))
    return sum(_size_bytes(tensor) for tensor in initializers) + _sparse_bytes(sparse)


def _value(name: str, facts: TensorFacts) -> ValueInfoProto:
    if not facts.dtype:
        return ValueInfoProto(name=name)  # the runtime knows its type
    shape = None if facts.shape is None else [None if s == "" else s for s in facts.shape]
    return helper.make_tensor_value_info(name, facts.dtype, shape)


def _inner_values(model: ModelProto, graph: Graph, part: Part) -> Iterator[ValueInfoProto]:
    inner = {name for index in part.operators for name in graph.operators[index].writes}
    for value in model.graph.value_info:
        if value.name in inner and value.name not in part.outputs:
            yield value


def _weights_as_inputs(
    model: ModelProto, initializers: Sequence[TensorProto]
) -> Iterator[ValueInfoProto]:
    """Yield those weights that the model also lists as inputs, as defaults."""
    listed = {value.name for value in model.graph.input}
    for tensor in initializers:
        if tensor.name in listed or model.ir_version < _WEIGHTS_ARE_INPUTS_BEFORE:
            yield helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)


def _functions(model: ModelProto, nodes: Sequence[NodeProto]) -> list[FunctionProto]:
    """Return the model's own functions that ``nodes`` call, directly or not, in its order."""
    known: dict[tuple[str, str], list[FunctionProto]] = {}
    for function in model.functions:
        known.setdefault((function.domain, function.name), []).append(function)
    called: set[tuple[str, str]] = set()
    waiting = list(nodes) if known else []
    while waiting:
        node = waiting.pop()
        key = (node.domain, node.op_type)
        if key in known and key not in called:
            called.add(key)
            waiting += [inner for function in known[key] for inner in function.node]
        waiting += [inner for body in bodies(node) for inner in body.node]
    return [f for f in model.functions if (f.domain, f.name) in called]


def _elements(tensor: TensorProto) -> bytes | None:
    """Return a tensor's raw bytes, or None when it stays in the model's file."""
    if _size_bytes(tensor) < weights.INLINE_BYTES:
        return None
    data: bytes | None = None
    if tensor.HasField("raw_data"):
        data = tensor.raw_data
    elif tensor.data_type in ELEMENT_TYPES:
        data = numpy_helper.to_array(tensor).tobytes()
    return data  # strings stay, and packed types that are not raw


def _outside(tensor: TensorProto, placed: weights.Placed) -> TensorProto:
    made = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    made.data_location = TensorProto.EXTERNAL
    for key, value in (
        ("location", WEIGHTS_FILE),
        ("offset", str(placed.offset_bytes)),
        ("length", str(len(placed.data))),
    ):
        made.external_data.append(StringStringEntryProto(key=key, value=value))
    return made


def _size_bytes(tensor: TensorProto) -> int:
    if tensor.data_type == TensorProto.STRING:
        return sum(len(text) for text in tensor.string_data)
    return size_bytes(elements(tuple(tensor.dims)), tensor.data_type)


def _sparse_bytes(tensors: Sequence[SparseTensorProto]) -> int:
    return sum(_size_bytes(tensor.values) + _size_bytes(tensor.indices) for tensor in tensors)
