"""A model's structure without its weights: large tensors stay where they are in the file.

The skeleton is an ONNX model again, small enough for any tool: each tensor of 1 KiB and more became
a reference to its bytes in the file, with the location ``*``, which no model from outside may
have. Everything else is copied as it stands. What only training needs is left out.

Pure: no I/O, ``data`` may be a mapped file; it must have passed the scan.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from wire.buffers import Buffer
from wire.model import protobuf
from wire.model.element_data import MAX_ELEMENTS, STRING, product, size_bytes
from wire.model.errors import ModelMalformedError, ProtobufError
from wire.model.protobuf import LENGTH, VARINT, Budget
from wire.model.schema import (
    AttributeField,
    FunctionField,
    GraphField,
    ModelField,
    NodeField,
    SparseField,
    TensorField,
)

IN_FILE: Final = "*"
"""The location of bytes that are in the model's own file."""
ENCODED: Final = "encoded"
"""The key that marks a reference to a whole TensorProto, whose elements are not raw bytes."""
INLINE_BYTES: Final = 1 << 10
"""Tensors smaller than this stay in the skeleton."""
INLINE_SIZES_BYTES: Final = 64 << 10
"""So do lists of integers up to this: they may be sizes, which whoever loads a model must see."""
MAX_DEPTH: Final = 64

_RAW_TYPES: Final[Mapping[int, int]] = {
    1: TensorField.FLOAT_DATA,
    11: TensorField.DOUBLE_DATA,
}
"""Element types whose packed field holds the same bytes as ``raw_data`` would."""
_DATA_FIELDS: Final = frozenset(
    {
        TensorField.FLOAT_DATA,
        TensorField.INT32_DATA,
        TensorField.INT64_DATA,
        TensorField.RAW_DATA,
        TensorField.DOUBLE_DATA,
        TensorField.UINT64_DATA,
    }
)
_EXTERNAL: Final = 1
_INTEGERS: Final = frozenset({6, 7})
"""int32 and int64."""

Pieces = list[bytes | memoryview]
Part = Callable[[memoryview, int, int], Pieces]
"""Rewrites one message: its bytes, where they begin in the file, and how deep it is nested."""


def skeleton(data: Buffer, *, source: str, max_fields: int = 4_000_000) -> bytes:
    """Return the ONNX model in ``data`` with references in the place of large tensors.

    Args:
        data: The whole file, contiguous.
        source: The file's name, for messages.
        max_fields: Protobuf fields that are opened at most.

    Raises:
        ModelMalformedError: It is no whole model.
    """
    view = memoryview(data).cast("B")
    try:
        return b"".join(_Writer(Budget(max_fields)).model(view))
    except ProtobufError as error:
        raise ModelMalformedError(source, "", error.problem) from error


class _Writer:
    """One pass over one model."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._in_attribute: Mapping[int, Part] = {
            AttributeField.G: self._graph,
            AttributeField.GRAPHS: self._graph,
            AttributeField.T: self._tensor,
            AttributeField.TENSORS: self._tensor,
            AttributeField.SPARSE_TENSOR: self._sparse,
            AttributeField.SPARSE_TENSORS: self._sparse,
        }
        self._in_node: Mapping[int, Part] = {NodeField.ATTRIBUTE: self._attribute}
        self._in_graph: Mapping[int, Part] = {
            GraphField.NODE: self._node,
            GraphField.INITIALIZER: self._tensor,
            GraphField.SPARSE_INITIALIZER: self._sparse,
        }
        self._in_function: Mapping[int, Part] = {
            FunctionField.NODE: self._node,
            FunctionField.ATTRIBUTE_PROTO: self._attribute,
        }
        self._in_sparse: Mapping[int, Part] = {
            SparseField.VALUES: self._tensor,
            SparseField.INDICES: self._tensor,
        }
        self._in_model: Mapping[int, Part] = {
            ModelField.GRAPH: self._graph,
            ModelField.FUNCTIONS: self._function,
        }

    def model(self, view: memoryview) -> Pieces:
        """Return the whole model."""
        return self._rewritten(view, 0, 0, self._in_model, drop=ModelField.TRAINING_INFO)

    def _graph(self, view: memoryview, begins: int, depth: int) -> Pieces:
        return self._rewritten(view, begins, depth, self._in_graph)

    def _function(self, view: memoryview, begins: int, depth: int) -> Pieces:
        return self._rewritten(view, begins, depth, self._in_function)

    def _node(self, view: memoryview, begins: int, depth: int) -> Pieces:
        return self._rewritten(view, begins, depth, self._in_node)

    def _attribute(self, view: memoryview, begins: int, depth: int) -> Pieces:
        return self._rewritten(view, begins, depth, self._in_attribute)

    def _sparse(self, view: memoryview, begins: int, depth: int) -> Pieces:
        return self._rewritten(view, begins, depth, self._in_sparse)

    def _rewritten(
        self,
        view: memoryview,
        begins: int,
        depth: int,
        parts: Mapping[int, Part],
        drop: int | None = None,
    ) -> Pieces:
        """Return ``view`` with each large field of ``parts`` rewritten, all others as they are."""
        if depth > MAX_DEPTH:
            raise ProtobufError(f"messages nest deeper than {MAX_DEPTH}")
        made: Pieces = []
        copied = before = 0
        for number, _, value, ends in protobuf.fields(view, self._budget):
            part = parts.get(number)
            is_large = isinstance(value, memoryview) and len(value) >= INLINE_BYTES
            if number == drop or (part is not None and is_large):
                made.append(view[copied:before])
                copied = ends
            if part is not None and is_large:
                assert isinstance(value, memoryview)
                made += _field(number, part(value, begins + ends - len(value), depth + 1))
            before = ends
        made.append(view[copied:])
        return made

    def _tensor(self, view: memoryview, begins: int, depth: int) -> Pieces:  # noqa: ARG002 a Part
        """Return the tensor with a reference instead of its elements."""
        kept: Pieces = []
        raw: tuple[int, int, int] | None = None
        """Field, offset in the file and size of what may be raw bytes."""
        dims: list[int] = []
        data_type = location = before = stored = 0
        for number, wire_type, value, ends in protobuf.fields(view, self._budget):
            if number == TensorField.DIMS:
                dims += [value] if isinstance(value, int) else protobuf.varints(value)
            elif number == TensorField.DATA_TYPE and isinstance(value, int):
                data_type = value
            elif number == TensorField.DATA_LOCATION and isinstance(value, int):
                location = value
            if number in _DATA_FIELDS:
                stored += 1
                if wire_type == LENGTH and isinstance(value, memoryview):
                    raw = (number, begins + ends - len(value), len(value))
            else:
                kept.append(view[before:ends])
            before = ends
        if location == _EXTERNAL or data_type == STRING:
            return [view]
        expected = size_bytes(int(product(tuple(min(d, MAX_ELEMENTS) for d in dims))), data_type)
        if is_inline(expected, data_type, len(dims)):
            return [view]
        if raw is not None and stored == 1 and raw[2] == expected and _is_raw(raw[0], data_type):
            entries = {"location": IN_FILE, "offset": str(raw[1]), "length": str(raw[2])}
        else:
            entries = {"location": IN_FILE, "offset": str(begins), ENCODED: str(len(view))}
        return [*kept, *_reference(entries)]


def is_inline(size_bytes: int, data_type: int, rank: int) -> bool:
    """Whether a tensor of that size, type and rank stays in the model's own structure."""
    is_list = data_type in _INTEGERS and rank <= 1
    return size_bytes < (INLINE_SIZES_BYTES if is_list else INLINE_BYTES)


def _is_raw(number: int, data_type: int) -> bool:
    return number in {TensorField.RAW_DATA, _RAW_TYPES.get(data_type)}


def _reference(entries: Mapping[str, str]) -> Iterator[bytes]:
    for key, value in entries.items():
        entry = [
            *_field(1, [key.encode()]),
            *_field(2, [value.encode()]),
        ]
        yield b"".join(_field(TensorField.EXTERNAL_DATA, entry))
    yield _varint(TensorField.DATA_LOCATION << 3 | VARINT) + _varint(_EXTERNAL)


def _field(number: int, content: Pieces) -> Pieces:
    size = sum(len(piece) for piece in content)
    return [_varint(number << 3 | LENGTH) + _varint(size), *content]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
