"""TFLite's element types: name, size, and the number of the same type in ONNX.

Source: LiteRT's schema.fbs, enum TensorType; onnx.proto, TensorProto.DataType.
"""

from typing import Final, NamedTuple


class ElementType(NamedTuple):
    """One element type."""

    name: str
    bits: int
    """For one element; 0: none of a fixed size."""
    onnx: int | None = None
    """As frames and manifests number it; None where it cannot cross a cut."""
    smallest: int = 0
    largest: int = 0
    """What a zero point can be."""


ELEMENT_TYPES: Final = (
    ElementType("FLOAT32", 32, 1),
    ElementType("FLOAT16", 16, 10),
    ElementType("INT32", 32, 6, -(1 << 31), (1 << 31) - 1),
    ElementType("UINT8", 8, 2, 0, 255),
    ElementType("INT64", 64, 7, -(1 << 63), (1 << 63) - 1),
    ElementType("STRING", 0),
    ElementType("BOOL", 8, 9),
    ElementType("INT16", 16, 5, -(1 << 15), (1 << 15) - 1),
    ElementType("COMPLEX64", 64),
    ElementType("INT8", 8, 3, -128, 127),
    ElementType("FLOAT64", 64, 11),
    ElementType("COMPLEX128", 128),
    ElementType("UINT64", 64, 13, 0, (1 << 64) - 1),
    ElementType("RESOURCE", 0),
    ElementType("VARIANT", 0),
    ElementType("UINT32", 32, 12, 0, (1 << 32) - 1),
    ElementType("UINT16", 16, 4, 0, (1 << 16) - 1),
    ElementType("INT4", 4, None, -8, 7),
    ElementType("BFLOAT16", 16),
    ElementType("INT2", 2, None, -2, 1),
    ElementType("UINT4", 4, None, 0, 15),
    ElementType("FLOAT8_E4M3FN", 8),
    ElementType("FLOAT8_E5M2", 8),
)
"""By number."""
