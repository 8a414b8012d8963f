"""LiteRT's object API for TFLite files, imported when the first model is read.

What comes out of it has no types: it is generated code. Source: LiteRT's schema.fbs, version 3.
"""

from functools import cache
from types import MappingProxyType
from typing import Any, Final

from fleet.tflite.errors import SchemaMissingError

IDENTIFIER: Final = b"TFL3"
VERSION: Final = 3

ONNX_TYPES: Final = MappingProxyType(
    {
        "FLOAT32": 1, "UINT8": 2, "INT8": 3, "UINT16": 4, "INT16": 5, "INT32": 6, "INT64": 7,
        "BOOL": 9, "FLOAT16": 10, "FLOAT64": 11, "UINT32": 12, "UINT64": 13,
    }
)  # fmt: skip
"""Our numbers of element types, by TFLite's names; others may not travel."""


@cache
def schema() -> Any:
    """Return the module with the classes of the schema.

    Raises:
        SchemaMissingError: It is not installed.
    """
    try:
        from ai_edge_litert import schema_py_generated  # noqa: PLC0415 an extra brings it
    except ImportError as error:
        raise SchemaMissingError(error.name or "ai-edge-litert") from error
    return schema_py_generated


@cache
def element_types() -> dict[int, int]:
    """Return our number of each of TFLite's element types that may travel."""
    numbers = vars(schema().TensorType)
    return {numbers[name]: ours for name, ours in ONNX_TYPES.items()}


@cache
def builtin_names() -> dict[int, str]:
    """Return the name of each builtin operator, such as ``CONV_2D``, by its number."""
    found = vars(schema().BuiltinOperator)
    return {number: name for name, number in found.items() if isinstance(number, int)}


def kind_of(code: Any) -> str:
    """Return the name of an operator by its `OperatorCodeT`: a custom one has its own."""
    number = max(code.builtinCode, code.deprecatedBuiltinCode)  # old files have the second alone
    name = builtin_names().get(number, f"operator {number}")
    if name == "CUSTOM":
        return text(code.customCode) or name
    return name


def text(value: Any) -> str:
    """Return a string of a file, which may be anything."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""
