"""Which operators a TFLite model may use.

Allowed are those whose arity is known. The others bring code from elsewhere, or keep something
between two frames, so that an answer depends on what ran before, or run other graphs of the file,
or have no kernel in any runtime.
"""

from types import MappingProxyType
from typing import Final

from wire.model.structure import shown
from wire.tflite.arity import ARITIES
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
_REASONS: Final = {
    _STATE: """
        ASSIGN_VARIABLE BIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_RNN CALL_ONCE HASHTABLE
        HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE LSTM READ_VARIABLE RNN SVDF
        UNIDIRECTIONAL_SEQUENCE_LSTM UNIDIRECTIONAL_SEQUENCE_RNN VAR_HANDLE""",
    _GRAPHS: """
        CALL IF STABLEHLO_CASE STABLEHLO_COMPOSITE STABLEHLO_REDUCE STABLEHLO_REDUCE_WINDOW
        STABLEHLO_SCATTER STABLEHLO_SORT STABLEHLO_WHILE WHILE""",
    _CODE: "DELEGATE STABLEHLO_CUSTOM_CALL",
}
REFUSED: Final = MappingProxyType(
    {name: reason for reason, names in _REASONS.items() for name in names.split()}
)
"""Builtin operators that no segment may have, and why."""
_UNSUPPORTED: Final = {"DENSIFY": "has sparse weights, which are not supported"}
"""Others without an arity, which have a kernel in some runtime."""


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
    if code.name in ARITIES:
        return ""
    return REFUSED.get(code.name) or _UNSUPPORTED.get(code.name, "has a kernel in no known runtime")


def _allowed() -> str:
    return ", ".join(sorted(ALLOWED_CUSTOM))
