"""What a tensor is, without its elements: name, element type by ONNX's numbers, shape.

No numpy here: `wire/codecs/` turns these into arrays.
Source: onnx.proto, TensorProto.DataType.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from wire.errors import TensorSpecError


class ElementType(NamedTuple):
    """One element type: its name as numpy spells it, and its size."""

    name: str
    size_bytes: int


ELEMENT_TYPES: Final[Mapping[int, ElementType]] = MappingProxyType(
    {
        1: ElementType("float32", 4),
        2: ElementType("uint8", 1),
        3: ElementType("int8", 1),
        4: ElementType("uint16", 2),
        5: ElementType("int16", 2),
        6: ElementType("int32", 4),
        7: ElementType("int64", 8),
        9: ElementType("bool", 1),
        10: ElementType("float16", 2),
        11: ElementType("float64", 8),
        12: ElementType("uint32", 4),
        13: ElementType("uint64", 8),
    }
)
"""Those that may cross a cut. Strings, complex numbers and sub-byte types may not."""

MAX_RANK: Final = 16


class TensorSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One input or output: a dimension is a size, or a name when it varies."""

    name: str
    dtype: int
    shape: tuple[int | str, ...]
    layout: str | None = None
    """Such as ``NCHW``; None where it is not known."""


def batch_dimension(specs: Iterable[TensorSpec]) -> str | None:
    """Return the name of the first dimension that all of ``specs`` share; None: they share none.

    Only such tensors can be put together, and their results apart again, row by row.
    """
    first = {spec.shape[0] if spec.shape else 0 for spec in specs}
    name = next(iter(first), 0)
    return name if len(first) == 1 and isinstance(name, str) and name else None


def count(shape: Sequence[int]) -> int:
    """Return the number of elements."""
    total = 1
    for size in shape:
        total *= size
    return total


def size_bytes(dtype: int, shape: Sequence[int]) -> int:
    """Return the size of a raw tensor in bytes."""
    return count(shape) * ELEMENT_TYPES[dtype].size_bytes


def check(
    where: str, specs: Sequence[TensorSpec], got: Mapping[str, tuple[int, tuple[int, ...]]]
) -> None:
    """Check that the tensors ``got`` (name to dtype and shape) are what ``specs`` asks for.

    A named dimension may have any size of at least 1, the same wherever the name stands.

    Raises:
        TensorSpecError: One is missing or has another dtype or shape.
    """
    sizes: dict[str, int] = {}
    for spec in specs:
        if spec.name not in got:
            raise TensorSpecError(where, f"tensor {spec.name!r} is missing (got {sorted(got)})")
        dtype, shape = got[spec.name]
        fits = dtype == spec.dtype and len(shape) == len(spec.shape)
        for asked, have in zip(spec.shape, shape, strict=False):
            if isinstance(asked, int):
                fits = fits and asked == have
            elif asked:
                fits = fits and have >= 1 and sizes.setdefault(asked, have) == have
        if not fits:
            raise TensorSpecError(
                where,
                f"tensor {spec.name!r} is {describe(dtype, shape)}"
                f" (expected {describe(spec.dtype, spec.shape)})",
            )


def describe(dtype: int, shape: Sequence[int | str]) -> str:
    """Return a tensor's type as people write it, such as ``float32[1,3,H,W]``."""
    known = ELEMENT_TYPES.get(dtype)
    name = known.name if known else f"element type {dtype}"
    return f"{name}[{','.join(str(size) for size in shape)}]"
