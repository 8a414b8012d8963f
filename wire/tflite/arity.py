"""How many inputs and outputs the operators have that LiteRT has kernels for.

Kernels take for granted that they are there; those that count them may have looked at them before.
Operators that keep state, run other graphs or have no kernel are not here, nor those of StableHLO:
converters write TFLite's own.
Source: LiteRT, ``tflite/kernels`` (``NumInputs``, ``NumOutputs``) and ``core/kernels/register.cc``.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from wire.tflite.operators import DETECTION_POSTPROCESS

MANY: Final = 1 << 16
"""Stands for any number."""


class Arity(NamedTuple):
    """How many inputs and outputs an operator has."""

    least_inputs: int
    most_inputs: int
    least_outputs: int = 1
    most_outputs: int = 1


_OPERATORS: Final = {
    Arity(1, 1): """
        ABS AVERAGE_POOL_2D BITCAST BUCKETIZE CAST CEIL COMPLEX_ABS COS DEPTH_TO_SPACE DEQUANTIZE
        ELU EXP FAKE_QUANT FLOOR GELU HARD_SWISH IMAG L2_NORMALIZATION L2_POOL_2D LEAKY_RELU
        LOCAL_RESPONSE_NORMALIZATION LOG LOGICAL_NOT LOGISTIC LOG_SOFTMAX MATRIX_DIAG MAX_POOL_2D
        NEG QUANTIZE RANDOM_STANDARD_NORMAL RANDOM_UNIFORM RANK REAL RELU RELU6 RELU_0_TO_1
        RELU_N1_TO_1 ROUND RSQRT SHAPE SIGN SIN SOFTMAX SPACE_TO_DEPTH SQRT SQUARE SQUEEZE TANH
        WHERE ZEROS_LIKE""",
    Arity(1, 1, 2, 2): "UNIQUE",
    Arity(1, 1, 1, MANY): "UNPACK",
    Arity(1, 2): "RESHAPE",
    Arity(1, MANY): "CONCATENATION PACK",
    Arity(2, 2): """
        ADD ARG_MAX ARG_MIN ATAN2 BATCH_MATMUL BITWISE_XOR BROADCAST_ARGS BROADCAST_TO CUMSUM DIV
        EMBEDDING_LOOKUP EQUAL EXPAND_DIMS FILL FLOOR_DIV FLOOR_MOD GATHER GATHER_ND GREATER
        GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND LOGICAL_OR MATRIX_SET_DIAG MAXIMUM MEAN MINIMUM
        MIRROR_PAD MUL MULTINOMIAL NOT_EQUAL POW PRELU REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN
        REDUCE_PROD RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_SEQUENCE REVERSE_V2 RFFT2D
        RIGHT_SHIFT SEGMENT_SUM SQUARED_DIFFERENCE SUB SUM TILE TRANSPOSE""",
    Arity(2, 2, 1, MANY): "SPLIT",
    Arity(2, 2, 2, 2): "TOPK_V2",
    Arity(2, 3): "CONV_2D CONV_3D DEPTHWISE_CONV_2D FULLY_CONNECTED LSH_PROJECTION PAD",
    Arity(2, MANY): "ADD_N",
    Arity(3, 3): """
        BATCH_TO_SPACE_ND DILATE DYNAMIC_UPDATE_SLICE PADV2 RANGE SCATTER_ND SELECT SELECT_V2 SLICE
        SPACE_TO_BATCH_ND UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN UNSORTED_SEGMENT_PROD
        UNSORTED_SEGMENT_SUM""",
    Arity(3, 3, 1, MANY): "SPLIT_V",
    Arity(3, 3, 2, 2): "HASHTABLE_LOOKUP",
    Arity(3, 3, 4, 4): DETECTION_POSTPROCESS,
    Arity(3, 4): "CONV_3D_TRANSPOSE TRANSPOSE_CONV",
    Arity(4, 4): "ONE_HOT SPARSE_TO_DENSE STRIDED_SLICE",
    Arity(5, 5): "EMBEDDING_LOOKUP_SPARSE",
    Arity(5, 5, 2, 2): "NON_MAX_SUPPRESSION_V4",
    Arity(6, 6, 3, 3): "NON_MAX_SUPPRESSION_V5",
}


def _by_name() -> Iterator[tuple[str, Arity]]:
    for arity, names in _OPERATORS.items():
        yield from ((name, arity) for name in names.split())


ARITIES: Final[Mapping[str, Arity]] = MappingProxyType(dict(_by_name()))
"""By operator."""
