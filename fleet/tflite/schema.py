"""LiteRT's object API for TFLite files, imported when the first model is read.

What comes out of it has no types: it is generated code. Source: LiteRT's schema.fbs, version 3.
"""

from functools import cache
from typing import Any

from fleet.tflite.errors import SchemaMissingError


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


def text(value: Any) -> str:
    """Return a string of a file, which may be anything."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""
