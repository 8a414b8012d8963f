"""How large a tensor of an ONNX file is, and whether its elements are really there.

Sizes are checked before anything is allocated: a shape is a claim of a few bytes.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from wire.model.errors import ProtobufError
from wire.model.protobuf import Value
from wire.model.schema import TensorField
from wire.model.structure import Tensor

Number: TypeAlias = int | float

MAX_ELEMENTS: Final = 1 << 62
"""A product of sizes stops growing here; nothing real comes near it."""
MAX_VALUES: Final = 64
"""Of a larger tensor the numbers are not read; shapes and the like are shorter."""
STRING: Final = 8
"""TensorProto.DataType of strings."""


class Element(NamedTuple):
    """One element type: bits for an element, and the field that holds it when it is not raw."""

    bits: int
    field: int
    entries: int = 1
    """Entries of that field for one element: complex numbers have two."""
    format: str = ""
    """How `struct` spells it; empty for types whose values the scan never needs."""


_I32: Final = TensorField.INT32_DATA
ELEMENTS: Final[Mapping[int, Element]] = MappingProxyType(
    {
        1: Element(32, TensorField.FLOAT_DATA, format="f"),
        2: Element(8, _I32, format="B"),
        3: Element(8, _I32, format="b"),
        4: Element(16, _I32, format="H"),
        5: Element(16, _I32, format="h"),
        6: Element(32, _I32, format="i"),
        7: Element(64, TensorField.INT64_DATA, format="q"),
        STRING: Element(8, TensorField.STRING_DATA),
        9: Element(8, _I32),
        10: Element(16, _I32, format="e"),
        11: Element(64, TensorField.DOUBLE_DATA, format="d"),
        12: Element(32, TensorField.UINT64_DATA, format="I"),
        13: Element(64, TensorField.UINT64_DATA, format="Q"),
        14: Element(64, TensorField.FLOAT_DATA, entries=2),
        15: Element(128, TensorField.DOUBLE_DATA, entries=2),
        16: Element(16, _I32),
        **dict.fromkeys((17, 18, 19, 20, 24), Element(8, _I32)),
        **dict.fromkeys((21, 22, 23), Element(4, _I32)),
        **dict.fromkeys((25, 26), Element(2, _I32)),
        **dict.fromkeys((27, 28), Element(6, _I32)),
    }
)
"""By TensorProto.DataType. A string counts as one byte: at least that is stored for it."""
_ENTRY_BYTES: Final[Mapping[int, int]] = {TensorField.FLOAT_DATA: 4, TensorField.DOUBLE_DATA: 8}
_STORED: Final = (
    TensorField.FLOAT_DATA,
    TensorField.INT32_DATA,
    TensorField.STRING_DATA,
    TensorField.INT64_DATA,
    TensorField.RAW_DATA,
    TensorField.DOUBLE_DATA,
    TensorField.UINT64_DATA,
)


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor that does not change while the model runs."""

    elements: int
    bits: int
    values: tuple[Number, ...] | None = None
    """Its numbers, in order; None when they are many, of an exotic type or in another file."""
    external: bool = False


def product(sizes: tuple[Number, ...]) -> Number:
    """Return the product of ``sizes``, at most ``MAX_ELEMENTS``; 0 if one is not positive."""
    if any(size <= 0 for size in sizes):
        return 0
    total: Number = 1
    for size in sizes:
        total = min(total * size, MAX_ELEMENTS)
    return total


def steps(bounds: Sequence[tuple[Number, ...] | None]) -> Number | None:
    """Return how many numbers there are from a start below a limit by a step; None: not known."""
    numbers = [values[0] for values in bounds if values]
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)) or not numbers[2]:
        return None
    start, limit, delta = numbers
    return max((limit - start) / delta, 0)


def elements(dims: tuple[int, ...]) -> int:
    """Return the number of elements of a tensor; 1 for a scalar, at most ``MAX_ELEMENTS``.

    Raises:
        ProtobufError: A dimension is negative.
    """
    if any(size < 0 for size in dims):
        raise ProtobufError(f"a dimension is negative ({list(dims)})")
    return int(product(dims))


def element(data_type: int) -> Element:
    """Return the element type.

    Raises:
        ProtobufError: ONNX has no such type.
    """
    known = ELEMENTS.get(data_type)
    if known is None:
        raise ProtobufError(f"element type {data_type} is unknown")
    return known


def size_bytes(count: int, data_type: int) -> int:
    """Return the size of ``count`` elements in bytes, sub-byte types packed."""
    return (count * element(data_type).bits + 7) // 8


def check_inline(tensor: Tensor, count: int) -> None:
    """Check that the elements that the shape claims are in the file.

    Raises:
        ProtobufError: Raw data has another size, or there are too few entries.
    """
    kind = element(tensor.data_type)
    raw = tensor.fields.view(TensorField.RAW_DATA)
    if raw is not None and tensor.data_type != STRING:
        expected = size_bytes(count, tensor.data_type)
        if len(raw) != expected:
            raise ProtobufError(
                f"shape {list(tensor.dims)} needs {expected} bytes (raw_data has {len(raw)})"
            )
        return
    packed = kind.bits < 8 and kind.bits != 6  # 6-bit types have an entry for each element
    needed = (count * kind.bits + 7) // 8 if packed else count * kind.entries
    found = sum(_entries(value, kind.field) for value in tensor.fields.values(kind.field))
    if found < needed:
        raise ProtobufError(
            f"shape {list(tensor.dims)} needs {needed} entries (there are at most {found})"
        )


def constant(tensor: Tensor, count: int) -> Constant:
    """Return what is known of a tensor whose elements were checked; few numbers are read."""
    kind = element(tensor.data_type)
    values: tuple[Number, ...] | None = None
    if tensor.external is None and count <= MAX_VALUES and kind.format:
        values = _values(tensor, kind, count)
    return Constant(count, kind.bits, values, external=tensor.external is not None)


def _entries(value: Value, which: int) -> int:
    """Return how many entries one occurrence of a field can hold at most."""
    if isinstance(value, int) or which == TensorField.STRING_DATA:
        return 1
    # A packed varint takes at least one byte: enough to know that a claim is backed by bytes.
    return len(value) // (_ENTRY_BYTES.get(which, 1))


def is_stored_inline(tensor: Tensor) -> bool:
    """Whether a tensor has elements in the file, of whatever type."""
    return any(which in tensor.fields for which in _STORED)


def floats(values: Sequence[Value], letter: str = "f") -> tuple[float, ...]:
    """Return the first floating-point numbers (``f`` or ``d``) of a repeated field, at most 64.

    Raises:
        ProtobufError: The bytes are no whole number of them.
    """
    width = struct.calcsize(letter)
    views = (value for value in values[:MAX_VALUES] if isinstance(value, memoryview))
    data = b"".join(bytes(view[: MAX_VALUES * width]) for view in views)[: MAX_VALUES * width]
    if len(data) % width:
        raise ProtobufError("floating-point numbers are cut off")
    return struct.unpack(f"<{len(data) // width}{letter}", data)


def _values(tensor: Tensor, kind: Element, count: int) -> tuple[Number, ...] | None:
    raw = tensor.fields.view(TensorField.RAW_DATA)
    if raw is not None:
        return struct.unpack(f"<{count}{kind.format}", raw)
    if kind.format in {"f", "d"}:
        return floats(tensor.fields.values(kind.field), kind.format)
    if kind.format == "e":
        return None  # halves in int32_data are bit patterns, not numbers
    numbers = tensor.fields.numbers(kind.field, at_most=MAX_VALUES)
    return tuple(_narrowed(number, kind) for number in numbers)


def _narrowed(number: int, kind: Element) -> int:
    """Return what a runtime sees when it narrows a varint to the element type."""
    number &= (1 << kind.bits) - 1
    is_negative = kind.format.islower() and number >> (kind.bits - 1)
    return number - (1 << kind.bits) if is_negative else number
