"""Write part of an ONNX graph as a segment: ``segment.onnx`` and ``weights.bin``.

The segment keeps the model's names, opsets and functions. The same operators in give the same
bytes out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from onnx import (
    FunctionProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    StringStringEntryProto,
    TensorProto,
    ValueInfoProto,
    helper,
)

from fleet import digests, weights
from fleet.chunks import Chunk
from fleet.onnx.graph import Graph, bodies
from fleet.onnx.shapes import TensorFacts
from fleet.onnx.source import Source
from fleet.onnx.stored import Held, Stored
from wire.manifest import File
from wire.model.element_data import elements, size_bytes

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


class SegmentFiles(NamedTuple):
    """What was written for one segment."""

    files: tuple[File, ...]
    chunks: tuple[Chunk, ...]
    weight_bytes: int


def write(folder: Path, source: Source, graph: Graph, part: Part) -> SegmentFiles:
    """Write the segment into ``folder``, which exists."""
    weights_of = _initializers(source.model, graph, part)
    stored = {tensor.name: _stored(tensor, source) for tensor in weights_of}
    outside = {name: found for name, found in stored.items() if found is not None}
    placed = weights.place((name, found.size_bytes) for name, found in outside.items())
    written = weights.write(folder / WEIGHTS_FILE, placed, lambda name: outside[name].pieces())
    places = {tensor.name: tensor for tensor in placed}
    made = _structure(source.model, graph, part)
    made.graph.input.extend(_weights_as_inputs(source.model, weights_of))
    for tensor in weights_of:
        if tensor.name in places:
            made.graph.initializer.append(_outside(tensor, places[tensor.name]))
        else:
            made.graph.initializer.append(source.files.whole(tensor))
    path = folder / MODEL_FILE
    path.write_bytes(made.SerializeToString(deterministic=True))
    total = sum(_size_bytes(tensor) for tensor in weights_of)
    sparse = _sparse_bytes(made.graph.sparse_initializer)
    return SegmentFiles((digests.file(path), written.file), written.chunks, total + sparse)


def rewrite_structure(folder: Path, source: Source, graph: Graph, part: Part) -> File:
    """Write ``segment.onnx`` anew beside the weights that `write` wrote for the same operators."""
    old = ModelProto.FromString((folder / MODEL_FILE).read_bytes())
    made = _structure(source.model, graph, part)
    made.graph.input.extend(
        _weights_as_inputs(source.model, _initializers(source.model, graph, part))
    )
    made.graph.initializer.extend(old.graph.initializer)
    path = folder / MODEL_FILE
    path.write_bytes(made.SerializeToString(deterministic=True))
    return digests.file(path)


def weights_used(source: Source, graph: Graph, part: Part) -> dict[str, int]:
    """Return the weights that a part uses, by name, and their sizes in bytes."""
    return {t.name: _size_bytes(t) for t in _initializers(source.model, graph, part)}


def _structure(model: ModelProto, graph: Graph, part: Part) -> ModelProto:
    """Return the segment without its dense weights."""
    nodes = [graph.operators[index].node for index in part.operators]
    used = _used(graph, part)
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
    made.graph.sparse_initializer.extend(
        tensor for tensor in model.graph.sparse_initializer if tensor.values.name in used
    )
    return made


def _used(graph: Graph, part: Part) -> set[str]:
    used = {name for index in part.operators for name in graph.operators[index].reads}
    return used.union(part.outputs)


def _initializers(model: ModelProto, graph: Graph, part: Part) -> list[TensorProto]:
    used = _used(graph, part)
    return [tensor for tensor in model.graph.initializer if tensor.name in used]


def _stored(tensor: TensorProto, source: Source) -> Stored | Held | None:
    """Return the bytes of a tensor that goes into ``weights.bin``; None: it stays inside."""
    if _size_bytes(tensor) < weights.INLINE_BYTES:
        return None
    return source.files.stored(tensor)


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


def _outside(tensor: TensorProto, placed: weights.Placed) -> TensorProto:
    made = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    made.data_location = TensorProto.EXTERNAL
    for key, value in (
        ("location", WEIGHTS_FILE),
        ("offset", str(placed.offset_bytes)),
        ("length", str(placed.size_bytes)),
    ):
        made.external_data.append(StringStringEntryProto(key=key, value=value))
    return made


def _size_bytes(tensor: TensorProto) -> int:
    if tensor.data_type == TensorProto.STRING:
        return sum(len(text) for text in tensor.string_data)
    return size_bytes(elements(tuple(tensor.dims)), tensor.data_type)


def _sparse_bytes(tensors: Iterable[SparseTensorProto]) -> int:
    return sum(_size_bytes(tensor.values) + _size_bytes(tensor.indices) for tensor in tensors)
