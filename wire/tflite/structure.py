"""A TFLite model's structure, without its weights: what its tables say, each in its own type.

Whatever a runtime would read of these tables has been checked to lie inside the file. What the
numbers mean (indices, sizes, types) is for the reader to judge: see `wire.model.tflite_scan`.
Pure: no I/O, ``data`` may be a mapped file; spans say where in it bytes are.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeVar

from wire.buffers import Buffer as Bytes
from wire.tflite import operators, schema
from wire.tflite.errors import FlatbufferError
from wire.tflite.flatbuffer import File, Span, Table
from wire.tflite.option_tables import OPTIONS, OPTIONS_2, OptionTable
from wire.tflite.schema import (
    BufferField,
    ModelField,
    NamedField,
    OperatorCodeField,
    OperatorField,
    QuantizationField,
    SignatureField,
    SubgraphField,
    TensorField,
)

MAX_PARTS: Final = 2_000_000
FIRST_OUTSIDE: Final = 2
"""Smaller offsets of bytes outside the flatbuffer mean that there are none."""
_Part = TypeVar("_Part")


class OperatorCode(NamedTuple):
    """What kind of operator: a builtin's number, or a custom one's name."""

    deprecated_builtin: int
    builtin: int
    custom: str
    version: int

    @property
    def number(self) -> int:
        """The builtin's number, as a runtime takes it."""
        return operators.effective(self.deprecated_builtin, self.builtin)

    @property
    def name(self) -> str:
        """As people call it: ``CONV_2D``, or a custom operator's own name."""
        if self.number == operators.CUSTOM:
            return self.custom
        known = 0 <= self.number < len(operators.BUILTIN)
        return operators.BUILTIN[self.number] if known else f"operator {self.number}"


class Quantization(NamedTuple):
    """How an integer tensor stands for real numbers."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    dimension: int
    """Along which the scales are, when there are several."""
    details: int
    """The schema's number of another scheme; 0: none."""


class Tensor(NamedTuple):
    """One tensor; whether it is a constant is for its buffer to say."""

    name: str
    type: int
    """An index of `wire.tflite.element_types.ELEMENT_TYPES`, or beyond it."""
    shape: tuple[int, ...]
    signature: tuple[int, ...] | None
    """The shape with -1 where a size may vary; None: none does."""
    buffer: int
    is_variable: bool
    """Whether it keeps its elements between two runs."""
    quantization: Quantization | None
    is_sparse: bool
    is_variant: bool
    external_buffer: int


class Operator(NamedTuple):
    """One operator. Tensors are numbers in its graph; -1: an input that is left out."""

    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    intermediates: tuple[int, ...]
    options: str
    """What its options are called, without ``Options``; empty: it has none."""
    first_option: int
    """Of these options the first number; 0 where it is left out, or no whole number."""
    custom_options: Span | None


class Graph(NamedTuple):
    """One subgraph."""

    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]


class Buffer(NamedTuple):
    """Where a constant's bytes are."""

    inside: Span | None
    """Within the flatbuffer."""
    outside: Span | None
    """Anywhere in the file, as its numbers say; not yet checked."""


class Named(NamedTuple):
    """A name for a tensor, in a signature, or for a buffer, in the metadata."""

    name: str
    stands_for: int


class Signature(NamedTuple):
    """Names for a graph's inputs and outputs."""

    key: str
    inputs: tuple[Named, ...]
    outputs: tuple[Named, ...]
    graph: int


class Model(NamedTuple):
    """A whole file."""

    version: int
    codes: tuple[OperatorCode, ...]
    graphs: tuple[Graph, ...]
    buffers: tuple[Buffer, ...]
    metadata: tuple[Named, ...]
    metadata_buffers: tuple[int, ...]
    signatures: tuple[Signature, ...]
    has_external_buffers: bool
    """Whether it names other files with weights."""


def read(data: Bytes, *, max_parts: int = MAX_PARTS) -> Model:
    """Return the structure of the TFLite file in ``data``.

    Args:
        data: The whole file, contiguous.
        max_parts: Tables, fields and numbers that are visited at most: bounds time and memory.

    Raises:
        FlatbufferError: It is no TFLite file, or a damaged one.
    """
    view = memoryview(data).cast("B")
    if bytes(view[4:8]) != schema.IDENTIFIER:
        raise FlatbufferError(f"it is not marked as TFLite (expected {schema.IDENTIFIER!r})")
    root = File(view, max_parts=max_parts).root(schema.MODEL)
    codes = _each(
        "operator code", root.tables(ModelField.OPERATOR_CODES, schema.OPERATOR_CODE), _code
    )
    return Model(
        version=root.number(ModelField.VERSION),
        codes=codes,
        graphs=_each("graph", root.tables(ModelField.SUBGRAPHS, schema.SUBGRAPH), _graph),
        buffers=_each("buffer", root.tables(ModelField.BUFFERS, schema.BUFFER), _buffer),
        metadata=_each("metadata", root.tables(ModelField.METADATA, schema.METADATA), _named),
        metadata_buffers=root.numbers(ModelField.METADATA_BUFFER, "i"),
        signatures=_each(
            "signature", root.tables(ModelField.SIGNATURES, schema.SIGNATURE), _signature
        ),
        has_external_buffers=any(
            field in root
            for field in (ModelField.EXTERNAL_BUFFER_GROUPS, ModelField.EXTERNAL_BUFFERS)
        ),
    )


def _each(
    what: str, tables: Iterable[Table], read_one: Callable[[Table], _Part]
) -> tuple[_Part, ...]:
    """Return what each of the tables says; an error names the one that it is in."""
    found: list[_Part] = []
    try:
        for table in tables:
            found.append(read_one(table))  # noqa: PERF401 - the error needs to know how many
    except FlatbufferError as error:
        raise error.within(f"{what} #{len(found)}") from error
    return tuple(found)


def _code(table: Table) -> OperatorCode:
    return OperatorCode(
        table.number(OperatorCodeField.DEPRECATED_BUILTIN_CODE),
        table.number(OperatorCodeField.BUILTIN_CODE),
        table.text(OperatorCodeField.CUSTOM_CODE),
        table.number(OperatorCodeField.VERSION, 1),
    )


def _graph(table: Table) -> Graph:
    return Graph(
        _each("tensor", table.tables(SubgraphField.TENSORS, schema.TENSOR), _tensor),
        table.numbers(SubgraphField.INPUTS, "i"),
        table.numbers(SubgraphField.OUTPUTS, "i"),
        _each("operator", table.tables(SubgraphField.OPERATORS, schema.OPERATOR), _operator),
    )


def _tensor(table: Table) -> Tensor:
    quantization = table.table(TensorField.QUANTIZATION, schema.QUANTIZATION)
    signed = TensorField.SHAPE_SIGNATURE in table
    return Tensor(
        name=table.text(TensorField.NAME),
        type=table.number(TensorField.TYPE),
        shape=table.numbers(TensorField.SHAPE, "i"),
        signature=table.numbers(TensorField.SHAPE_SIGNATURE, "i") if signed else None,
        buffer=table.number(TensorField.BUFFER),
        is_variable=bool(table.number(TensorField.IS_VARIABLE)),
        quantization=_quantization(quantization) if quantization else None,
        is_sparse=TensorField.SPARSITY in table,
        is_variant=TensorField.VARIANT_TENSORS in table,
        external_buffer=table.number(TensorField.EXTERNAL_BUFFER),
    )


def _quantization(table: Table) -> Quantization:
    return Quantization(
        table.floats(QuantizationField.SCALE),
        table.numbers(QuantizationField.ZERO_POINT, "q"),
        table.number(QuantizationField.QUANTIZED_DIMENSION),
        table.number(QuantizationField.DETAILS_TYPE),
    )


def _operator(table: Table) -> Operator:
    first = _options(table, OperatorField.OPTIONS_TYPE, OperatorField.OPTIONS, OPTIONS)
    second = _options(table, OperatorField.OPTIONS_2_TYPE, OperatorField.OPTIONS_2, OPTIONS_2)
    if first[0] and second[0]:
        raise FlatbufferError(f"it has options of two kinds ({first[0]}, {second[0]})")
    large = table.number(OperatorField.LARGE_CUSTOM_OPTIONS_OFFSET)
    size_bytes = table.number(OperatorField.LARGE_CUSTOM_OPTIONS_SIZE)
    inside = table.span(OperatorField.CUSTOM_OPTIONS)
    if inside and large >= FIRST_OUTSIDE:
        raise FlatbufferError("its custom options stand in two places")
    return Operator(
        code=table.number(OperatorField.OPCODE_INDEX),
        inputs=table.numbers(OperatorField.INPUTS, "i"),
        outputs=table.numbers(OperatorField.OUTPUTS, "i"),
        intermediates=table.numbers(OperatorField.INTERMEDIATES, "i"),
        options=first[0] or second[0],
        first_option=first[1] or second[1],
        custom_options=Span(large, size_bytes) if large >= FIRST_OUTSIDE else inside,
    )


def _options(
    table: Table, kind: int, field: int, known: tuple[OptionTable, ...]
) -> tuple[str, int]:
    """Check the options in one of an operator's two places; return their name and first number."""
    number = table.number(kind)
    if not number and field not in table:
        return "", 0
    if not 1 <= number <= len(known) or field not in table:
        raise FlatbufferError(f"options of kind {number} are unknown, or not there")
    name, kinds = known[number - 1]
    found = table.table(field, kinds)
    return name, found.number(0) if found and kinds[:1] == "i" else 0


def _buffer(table: Table) -> Buffer:
    offset = table.number(BufferField.OFFSET)
    outside = Span(offset, table.number(BufferField.SIZE)) if offset >= FIRST_OUTSIDE else None
    return Buffer(table.span(BufferField.DATA), outside)


def _named(table: Table) -> Named:
    return Named(table.text(NamedField.NAME), table.number(NamedField.INDEX))


def _signature(table: Table) -> Signature:
    return Signature(
        table.text(SignatureField.KEY),
        _each("input", table.tables(SignatureField.INPUTS, schema.TENSOR_MAP), _named),
        _each("output", table.tables(SignatureField.OUTPUTS, schema.TENSOR_MAP), _named),
        table.number(SignatureField.SUBGRAPH_INDEX),
    )
