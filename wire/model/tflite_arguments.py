"""What kernels take for granted of an operator's inputs, outputs and options.

LiteRT's kernels look at most of it themselves, and some only after they have used it. What is here
has ended a process: see ``scripts/fuzz-litert``, and docs/bad-input.md for what is not.
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from wire.model import tflite_detection
from wire.model.tflite_tensors import Checked
from wire.tflite.arity import ARITIES
from wire.tflite.operators import DETECTION_POSTPROCESS
from wire.tflite.structure import Operator

LEFT_OUT: Final = -1
"""Stands for an input that an operator does without."""
OPTIONAL_INPUTS: Final = MappingProxyType(
    {
        "CONV_2D": 2,
        "CONV_3D": 2,
        "CONV_3D_TRANSPOSE": 3,
        "DEPTHWISE_CONV_2D": 2,
        "FULLY_CONNECTED": 2,
        "TRANSPOSE_CONV": 3,
    }
)
"""The one input that an operator can do without: the bias."""
_SCALED: Final = frozenset(
    """
    ABS ADD AVERAGE_POOL_2D BATCH_MATMUL CONV_2D CONV_3D DEPTHWISE_CONV_2D DEQUANTIZE DIV ELU EQUAL
    EXP FULLY_CONNECTED GELU GREATER GREATER_EQUAL HARD_SWISH L2_NORMALIZATION LEAKY_RELU LESS
    LESS_EQUAL LOG LOGISTIC LOG_SOFTMAX MEAN MUL NOT_EQUAL PRELU QUANTIZE REDUCE_PROD RELU RELU6
    RELU_0_TO_1 RELU_N1_TO_1 RSQRT SOFTMAX SQRT SQUARED_DIFFERENCE SUB SUM TANH TRANSPOSE_CONV
    """.split()  # noqa: SIM905 - a list of one a line says no more
)
"""Operators that compute with the scales of small integers, and divide by them."""
_SMALL: Final = frozenset({"INT8", "INT16", "UINT8"})


def problem(name: str, operator: Operator, tensors: Sequence[Checked], data: memoryview) -> str:
    """Return what is wrong with an operator's arguments, or an empty string.

    Args:
        name: The operator, as people call it.
        operator: Its indices are in range.
        tensors: All of the graph's.
        data: The whole file.
    """
    wrong = _number_problem(name, operator)
    if wrong:
        return wrong
    optional = OPTIONAL_INPUTS.get(name, LEFT_OUT)
    for position, tensor in enumerate(operator.inputs):
        if tensor == LEFT_OUT and position != optional:
            return f"it does without input {position}, which it needs"
    options = operator.custom_options
    if options and options.end > len(data):
        return f"its options end at byte {options.end}, outside the file ({len(data)} bytes)"
    if name == DETECTION_POSTPROCESS:
        return tflite_detection.problem(
            data[options.at : options.end] if options else None,
            [tensors[tensor].shape for tensor in operator.inputs],
        )
    if name in _SCALED:
        for tensor in (*operator.inputs, *operator.outputs):
            found = tensors[tensor] if tensor != LEFT_OUT else None
            if found and found.type.name in _SMALL and not found.is_scaled:
                return f"{found.place} is {found.type.name} without a scale"
    return ""


def _number_problem(name: str, operator: Operator) -> str:
    arity = ARITIES.get(name)
    inputs, outputs = len(operator.inputs), len(operator.outputs)
    if not arity:
        return "" if outputs else "it has no outputs"
    for what, found, least, most in (
        ("inputs", inputs, arity.least_inputs, arity.most_inputs),
        ("outputs", outputs, arity.least_outputs, arity.most_outputs),
    ):
        if not least <= found <= most:
            expected = f"{least}" if least == most else f"{least} to {most}"
            return f"it has {found} {what} (expected {expected})"
    counted = inputs if name == "PACK" else outputs
    if name in {"PACK", "SPLIT", "SPLIT_V", "UNPACK"} and operator.first_option != counted:
        return f"its options count {operator.first_option} (there are {counted})"
    if name == "LOCAL_RESPONSE_NORMALIZATION" and operator.first_option < 0:
        return f"its radius is {operator.first_option}"
    return ""
