"""Which operators a TFLite model may use.

Refused are those that bring code from elsewhere, those that keep something between two frames, so
that an answer depends on what ran before, and those that run other graphs of the file. Whether a
runtime has a kernel for what is left is the runtime's business.
"""

from types import MappingProxyType
from typing import Final

from wire.model.structure import shown
from wire.tflite.operators import (
    BUILTIN,
    CUSTOM,
    DETECTION_POSTPROCESS,
    EDGETPU_CUSTOM_OP,
    LAST_SHORT,
)
from wire.tflite.structure import OperatorCode

ALLOWED_CUSTOM: Final = frozenset({EDGETPU_CUSTOM_OP, DETECTION_POSTPROCESS})
"""Custom operators that come with the runtimes."""

_STATE: Final = "keeps state between frames"
_GRAPHS: Final = "runs other graphs of the file"
_CODE: Final = "runs code from outside the model"
REFUSED: Final = MappingProxyType(
    {
        **dict.fromkeys(("CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"), _STATE),
        **dict.fromkeys(("HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT"), _STATE),
        "HASHTABLE_SIZE": _STATE,
        **dict.fromkeys(("CALL", "IF", "WHILE", "STABLEHLO_WHILE", "STABLEHLO_CASE"), _GRAPHS),
        **dict.fromkeys(("STABLEHLO_COMPOSITE", "STABLEHLO_REDUCE", "STABLEHLO_SORT"), _GRAPHS),
        **dict.fromkeys(("STABLEHLO_REDUCE_WINDOW", "STABLEHLO_SCATTER"), _GRAPHS),
        "DELEGATE": _CODE,
        "STABLEHLO_CUSTOM_CALL": _CODE,
        "PLACEHOLDER_FOR_GREATER_OP_CODES": "stands for a newer operator, and is none",
    }
)
"""Builtin operators that are refused, and why."""


def malformed(code: OperatorCode) -> str:
    """Return how an operator code contradicts itself, or an empty string."""
    if code.number < 0 or code.number >= len(BUILTIN):
        return f"builtin operator {code.number} is unknown (known: 0 to {len(BUILTIN) - 1})"
    if code.builtin and code.deprecated_builtin not in {0, min(code.builtin, LAST_SHORT)}:
        return (
            f"its older field says {code.deprecated_builtin}, its newer one {code.builtin}:"
            " readers take it for different operators"
        )
    if (code.number == CUSTOM) != bool(code.custom):
        return "it is custom without a name, or a builtin with one"
    if code.version < 1:
        return f"its version is {code.version}"
    return ""


def problem(code: OperatorCode) -> str:
    """Return why an operator may not be used, or an empty string."""
    if code.number == CUSTOM:
        if code.custom in ALLOWED_CUSTOM:
            return ""
        return f"custom operator {shown(code.custom)} {_CODE} (allowed: {_allowed()})"
    return REFUSED.get(code.name, "")


def _allowed() -> str:
    return ", ".join(sorted(ALLOWED_CUSTOM))
