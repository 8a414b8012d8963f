"""Write part of a TFLite graph as a segment: ``segment.tflite``.

Operators keep their options, tensors their names and quantisation; dimensions that vary are said
to. The same operators in give the same bytes out.
"""

import copy
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from fleet import digests
from fleet.errors import NotWrittenError
from fleet.model_graph.open_model import Part, SegmentFiles
from fleet.tflite.graph import Graph
from fleet.tflite.schema import schema, text
from fleet.tflite.source import Source
from wire import segment_files
from wire.tflite.schema import IDENTIFIER, VERSION

MODEL_FILE: Final = segment_files.TFLITE
SIGNATURE: Final = b"serving_default"
KEPT_METADATA: Final = frozenset({"min_runtime_version", "reduced_precision_support"})
"""What runtimes read themselves; all else is for tools, and is about the whole model."""
ALIGNMENT: Final = 16
"""Of constants in the file, as the schema asks for."""
MOST_BYTES: Final = (2 << 30) - (16 << 20)
"""A flatbuffer's offsets are 32 bits and signed."""


def write(folder: Path, source: Source, graph: Graph, part: Part) -> SegmentFiles:
    """Write the segment into ``folder``, which exists.

    Raises:
        NotWrittenError: It would be larger than such a file can be.
    """
    made = extracted(source, graph, part)
    constants = {tensor.buffer for tensor in made.subgraphs[0].tensors} - {0}
    total = sum(len(made.buffers[index].data) for index in constants)
    path = folder / MODEL_FILE
    path.write_bytes(packed(made, str(path)))
    return SegmentFiles((digests.file(path),), (), total)


def write_scratch(folder: Path, source: Source, graph: Graph, part: Part) -> None:
    """Write the segment to run it here and now, without digests.

    Raises:
        NotWrittenError: It would be larger than such a file can be.
    """
    path = folder / MODEL_FILE
    path.write_bytes(packed(extracted(source, graph, part), str(path)))


def extracted(source: Source, graph: Graph, part: Part) -> Any:
    """Return the part as a `ModelT` of its own."""
    place = {name: index for index, name in enumerate(source.names)}
    operators = [graph.operators[index].node for index in part.operators]
    ends = [place[name] for name in (*part.inputs, *part.outputs)]
    used = sorted({*ends, *_tensors(operators)})
    renumbered = {old: new for new, old in enumerate(used)}
    model = schema().ModelT(version=VERSION, description=part.name.encode())
    codes: dict[int, int] = {}
    buffers: dict[int, int] = {}
    model.buffers = [schema().BufferT()]  # what holds no constant refers to this one
    tensors = [_tensor(source, index, part, model.buffers, buffers) for index in used]
    moved = [_moved(operator, renumbered, codes) for operator in operators]
    model.operatorCodes = [_code(source.model.operatorCodes[old]) for old in codes]
    taken = [renumbered[place[name]] for name in part.inputs]
    given = [renumbered[place[name]] for name in part.outputs]
    model.subgraphs = [
        schema().SubGraphT(
            tensors=tensors,
            operators=moved,
            inputs=_vector(taken),
            outputs=_vector(given),
            name=b"main",
        )
    ]
    model.signatureDefs = [
        schema().SignatureDefT(
            signatureKey=SIGNATURE,
            inputs=_named(part.inputs, taken),
            outputs=_named(part.outputs, given),
        )
    ]
    model.metadata = _metadata(source, part, model.buffers)
    return model


def _code(code: Any) -> Any:
    """Return an operator's code with its number in both places.

    Files from before 2020 have it in the old one alone, where tools such as LiteRT's quantizer do
    not look: for them, every operator would be number 0, an ADD.
    """
    made = copy.copy(code)
    made.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
    return made


def packed(model: Any, path: str) -> memoryview:
    """Return the file of a `ModelT`, which is changed by it.

    Raises:
        NotWrittenError: It would be larger than such a file can be.
    """
    import flatbuffers  # noqa: PLC0415 comes with what brings the schema

    size = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    if size > MOST_BYTES:
        raise NotWrittenError(path, path, f"{size} bytes of weights in one TFLite file")
    model.buffers = [_Aligned(buffer) for buffer in model.buffers]
    builder = flatbuffers.Builder(size + (size >> 6) + (64 << 10))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return memoryview(builder.Bytes)[builder.Head() :]


def losses(source: Source) -> tuple[str, ...]:
    """Return what of the model no segment carries, for people."""
    found = []
    dropped = [text(entry.name) for entry in source.model.metadata or ()]
    dropped = [name for name in dropped if name not in KEPT_METADATA]
    if dropped:
        found.append(f"metadata of the model that segments do not carry: {', '.join(dropped)}")
    signatures = source.model.signatureDefs or ()
    if signatures:
        keys = ", ".join(text(signature.signatureKey) for signature in signatures)
        found.append(
            f"signatures of the model ({keys}): segments have one, {SIGNATURE.decode()},"
            " whose keys are the names of tensors"
        )
    return tuple(found)


class _Aligned:
    """A buffer that is packed at a multiple of 16 bytes; the generated code does not align."""

    def __init__(self, buffer: Any) -> None:
        self.data = buffer.data

    def Pack(self, builder: Any) -> int:  # noqa: N802 the generated code's name
        """Append it to the file being built, and return where."""
        at = None
        if self.data is not None:
            size = len(self.data)
            builder.StartVector(1, size, ALIGNMENT)
            head = builder.Head() - size
            builder.head = head
            builder.Bytes[head : head + size] = memoryview(self.data)
            at = builder.EndVector()
        schema().BufferStart(builder)
        if at is not None:
            schema().BufferAddData(builder, at)
        made: int = schema().BufferEnd(builder)
        return made


def _tensors(operators: Iterable[Any]) -> set[int]:
    found = {
        index
        for operator in operators
        for vector in (operator.inputs, operator.outputs, operator.intermediates)
        for index in _numbers(vector)
    }
    return {index for index in found if index >= 0}


def _moved(operator: Any, renumbered: dict[int, int], codes: dict[int, int]) -> Any:
    """Return an operator with the numbers that tensors and its code have in the segment."""
    made = copy.copy(operator)
    made.opcodeIndex = codes.setdefault(operator.opcodeIndex, len(codes))
    for vector in ("inputs", "outputs", "intermediates"):
        found = getattr(operator, vector)
        if found is not None:
            numbers = [renumbered[index] if index >= 0 else -1 for index in _numbers(found)]
            setattr(made, vector, _vector(numbers))
    made.debugMetadataIndex = -1
    return made


def _tensor(
    source: Source, index: int, part: Part, placed: list[Any], buffers: dict[int, int]
) -> Any:
    """Return a tensor as the segment has it; its constant is added to ``placed`` once."""
    made = copy.copy(source.model.subgraphs[0].tensors[index])
    name = source.names[index]
    made.name = name.encode()
    data = source.data(index)
    if data is None:
        made.buffer = 0
    else:
        if made.buffer not in buffers:
            buffers[made.buffer] = len(placed)
            placed.append(schema().BufferT(data=data))
        made.buffer = buffers[made.buffer]
    facts = part.inputs.get(name) or part.outputs.get(name)
    if facts is not None and made.buffer == 0:
        sizes = source.graph.tensors[index].shape
        shape = facts.shape if facts.shape is not None else ("",) * len(sizes)
        made.shapeSignature = _signature(shape, sizes)
    return made


def _signature(shape: Sequence[int | str], sizes: Sequence[int]) -> Any:
    """Return the shape with -1 where it varies; None where nothing does."""
    if len(shape) != len(sizes) or all(isinstance(size, int) for size in shape):
        return None
    return _vector([size if isinstance(size, int) else -1 for size in shape])


def _named(names: Iterable[str], numbers: Sequence[int]) -> list[Any]:
    return [
        schema().TensorMapT(name=name.encode(), tensorIndex=number)
        for name, number in zip(names, numbers, strict=True)
    ]


def _metadata(source: Source, part: Part, placed: list[Any]) -> list[Any]:
    """Return what the segment says of itself, and what runtimes read of the model's own."""
    buffers = source.model.buffers
    found = [
        (entry.name, buffers[entry.buffer].data)
        for entry in source.model.metadata or ()
        if text(entry.name) in KEPT_METADATA and entry.buffer < len(buffers)
    ]
    found += [
        (key.encode(), np.frombuffer(value.encode(), np.uint8))
        for key, value in sorted(part.metadata.items())
    ]
    made = []
    for name, data in found:
        made.append(schema().MetadataT(name=name, buffer=len(placed)))
        placed.append(schema().BufferT(data=data))
    return made


def _numbers(vector: Any) -> list[int]:
    return [] if vector is None else [int(number) for number in vector]


def _vector(numbers: Sequence[int]) -> Any:
    return np.array(numbers, np.int32)
