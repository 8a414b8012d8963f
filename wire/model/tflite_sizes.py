"""Operators whose output can be far larger than anything in the file: how much they will make.

Where the size is in the file as a constant it is computed here; one that is computed by arithmetic
is not followed, and meets the worker's memory limit. The result is a lower bound: what is not known
counts as one element. Source: the operators' kernels in LiteRT, ``tflite/kernels``.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from wire.model.element_data import MAX_VALUES, Number, product, steps
from wire.model.tflite_tensors import Checked

_FORMATS: Final = {"INT32": "i", "INT64": "q", "FLOAT32": "f", "FLOAT64": "d"}


@dataclass(frozen=True, slots=True)
class Call:
    """One operator with its inputs; None: left out."""

    inputs: Sequence[Checked | None]
    file: memoryview

    def values(self, index: int) -> tuple[Number, ...] | None:
        """Return the numbers of an input that is a small constant."""
        found = self.inputs[index] if index < len(self.inputs) else None
        letter = _FORMATS.get(found.type.name) if found else None
        if not found or not found.data or not letter or found.elements > MAX_VALUES:
            return None
        return struct.unpack_from(f"<{found.elements}{letter}", self.file, found.data.at)

    def shape(self, index: int) -> tuple[int, ...]:
        """Return an input's shape."""
        found = self.inputs[index] if index < len(self.inputs) else None
        return found.shape if found else ()


Size: TypeAlias = Callable[[Call], Number | None]
"""Returns the number of elements of the output; None when it is not in the file."""


def _shape_at(index: int) -> Size:
    def size(call: Call) -> Number | None:
        values = call.values(index)
        return None if values is None else product(values)

    return size


def _tile(call: Call) -> Number | None:
    repeats = call.values(1)
    return None if repeats is None else product((*repeats, *call.shape(0)))


def _resize(call: Call) -> Number | None:
    size, shape = call.values(1), call.shape(0)
    return None if size is None or len(shape) != 4 else product((*size, shape[0], shape[3]))


def _pad(call: Call) -> Number | None:
    pads = call.values(1)
    if not pads:
        return None
    sizes = call.shape(0)
    pairs = zip(pads[::2], pads[1::2], sizes, strict=False)
    return product(tuple(size + max(before + after, 0) for before, after, size in pairs))


def _range(call: Call) -> Number | None:
    return steps([call.values(index) for index in range(3)])


def _one_hot(call: Call) -> Number | None:
    depth = call.values(1)
    return None if depth is None else product((*depth, *call.shape(0)))


def _matrix_diagonal(call: Call) -> Number | None:
    shape = call.shape(0)
    return product((*shape, shape[-1])) if shape else None


SIZES: Final[Mapping[str, Size]] = MappingProxyType(
    {
        "BROADCAST_TO": _shape_at(1),
        "CONV_3D_TRANSPOSE": _shape_at(0),
        "FILL": _shape_at(0),
        "MATRIX_DIAG": _matrix_diagonal,
        "MIRROR_PAD": _pad,
        "ONE_HOT": _one_hot,
        "PAD": _pad,
        "PADV2": _pad,
        "RANDOM_STANDARD_NORMAL": _shape_at(0),
        "RANDOM_UNIFORM": _shape_at(0),
        "RANGE": _range,
        "RESIZE_BILINEAR": _resize,
        "RESIZE_NEAREST_NEIGHBOR": _resize,
        "RFFT2D": _shape_at(1),
        "SCATTER_ND": _shape_at(2),
        "SPARSE_TO_DENSE": _shape_at(1),
        "TILE": _tile,
        "TRANSPOSE_CONV": _shape_at(0),
        "UNSORTED_SEGMENT_MAX": _shape_at(2),
        "UNSORTED_SEGMENT_MIN": _shape_at(2),
        "UNSORTED_SEGMENT_PROD": _shape_at(2),
        "UNSORTED_SEGMENT_SUM": _shape_at(2),
    }
)
"""By operator. To add one: a function from a call to a number of elements."""


def made_elements(operator: str, call: Call) -> Number:
    """Return how many elements the output has at least, as far as the file says."""
    size = SIZES.get(operator)
    return (size(call) if size else None) or 0
