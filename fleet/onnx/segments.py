"""Write part of an ONNX graph as a segment: ``segment.onnx`` and ``weights.bin``.

The segment keeps the model's names, opsets and functions. The same operators in give the same
bytes out.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from onnx import (
    ModelProto,
    StringStringEntryProto,
    TensorProto,
    ValueInfoProto,
    helper,
)

from fleet import digests, weights
from fleet.model_graph.facts import TensorFacts
from fleet.model_graph.open_model import Part, SegmentFiles
from fleet.onnx import functions as onnx_functions
from fleet.onnx import weight_sizes
from fleet.onnx.graph import Graph
from fleet.onnx.source import Source
from fleet.onnx.stored import Held, Stored
from wire import segment_files
from wire.model.skeleton import is_inline

MODEL_FILE: Final = segment_files.ONNX
WEIGHTS_FILE: Final = segment_files.WEIGHTS
_WEIGHTS_ARE_INPUTS_BEFORE: Final = 4
"""Up to IR version 3 every initializer is also listed as an input."""


def write(folder: Path, source: Source, graph: Graph, part: Part) -> SegmentFiles:
    """Write the segment into ``folder``, which exists."""
    laid = _laid_out(source, graph, part)
    written = weights.write(folder / WEIGHTS_FILE, laid.placed, laid.pieces)
    made = _model(source, graph, part, laid)
    (folder / MODEL_FILE).write_bytes(made.SerializeToString(deterministic=True))
    total = sum(weight_sizes.of_tensor(t) for t in laid.initializers) + _sparse_bytes(made)
    files = (digests.file(folder / MODEL_FILE), written.file)
    return SegmentFiles(files, written.chunks, total)


def write_scratch(
    folder: Path, source: Source, graph: Graph, part: Part, *, keep_weights: bool = False
) -> None:
    """Write the segment to run it here and now, without digests.

    Args:
        folder: Exists.
        source: The model.
        graph: Of the model.
        part: What to write.
        keep_weights: The folder holds the weights of these operators from a call before.
    """
    laid = _laid_out(source, graph, part)
    if not keep_weights:
        weights.copy(folder / WEIGHTS_FILE, laid.placed, laid.pieces)
    made = _model(source, graph, part, laid)
    (folder / MODEL_FILE).write_bytes(made.SerializeToString(deterministic=True))


class _Layout(NamedTuple):
    """The weights of one segment, and where those go that lie beside it."""

    initializers: Sequence[TensorProto]
    outside: Mapping[str, Stored | Held]
    placed: Sequence[weights.Placed]

    def pieces(self, name: str) -> Iterator[memoryview]:
        """Yield the bytes of a weight that lies beside the model."""
        return self.outside[name].pieces()


def _laid_out(source: Source, graph: Graph, part: Part) -> _Layout:
    initializers = _initializers(source.model, graph, part)
    outside: dict[str, Stored | Held] = {}
    for tensor in initializers:
        if not is_inline(weight_sizes.of_tensor(tensor), tensor.data_type, len(tensor.dims)):
            found = source.files.stored(tensor)
            if found is not None:
                outside[tensor.name] = found
    placed = weights.place((name, found.size_bytes) for name, found in outside.items())
    return _Layout(initializers, outside, placed)


def _model(source: Source, graph: Graph, part: Part, laid: _Layout) -> ModelProto:
    """Return what is written to ``segment.onnx``."""
    model, used = source.model, _used(graph, part)
    nodes = [graph.operators[index].node for index in part.operators]
    made = ModelProto(ir_version=model.ir_version, producer_name="paceline")
    made.opset_import.extend(model.opset_import)
    made.functions.extend(onnx_functions.called(nodes, model.functions))
    made.metadata_props.extend(
        StringStringEntryProto(key=key, value=value) for key, value in sorted(part.metadata.items())
    )
    made.graph.name = part.name
    made.graph.node.extend(nodes)
    made.graph.input.extend(_value(name, facts) for name, facts in part.inputs.items())
    made.graph.input.extend(_weights_as_inputs(model, laid.initializers))
    made.graph.output.extend(_value(name, facts) for name, facts in part.outputs.items())
    made.graph.value_info.extend(_inner_values(model, graph, part))
    made.graph.sparse_initializer.extend(
        tensor for tensor in model.graph.sparse_initializer if tensor.values.name in used
    )
    places = {placed.name: placed for placed in laid.placed}
    for tensor in laid.initializers:
        is_outside = tensor.name in places
        made.graph.initializer.append(
            _reference(tensor, places[tensor.name]) if is_outside else source.files.whole(tensor)
        )
    return made


def _used(graph: Graph, part: Part) -> set[str]:
    used = {name for index in part.operators for name in graph.operators[index].reads}
    return used.union(part.outputs)


def _initializers(model: ModelProto, graph: Graph, part: Part) -> list[TensorProto]:
    used = _used(graph, part)
    return [tensor for tensor in model.graph.initializer if tensor.name in used]


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


def _reference(tensor: TensorProto, placed: weights.Placed) -> TensorProto:
    made = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    made.data_location = TensorProto.EXTERNAL
    for key, value in (
        ("location", WEIGHTS_FILE),
        ("offset", str(placed.offset_bytes)),
        ("length", str(placed.size_bytes)),
    ):
        made.external_data.append(StringStringEntryProto(key=key, value=value))
    return made


def _sparse_bytes(model: ModelProto) -> int:
    sparse = model.graph.sparse_initializer
    return sum(
        weight_sizes.of_tensor(tensor.values) + weight_sizes.of_tensor(tensor.indices)
        for tensor in sparse
    )
