"""How much work a TFLite operator is, from shapes alone: multiply-accumulates.

Operators that compute element by element count one for each element that they write, those that
reduce one for each element that they read, those that only move data none. An operator without a
rule is not guessed: it counts nothing, and whoever asks is told its name.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from fleet.model_graph.facts import Sizes, TensorFacts
from fleet.model_graph.graph import Operator


class _Call(NamedTuple):
    """One operator with the sizes of what it reads and writes."""

    options: Any
    """Its builtin options, such as a `Pool2DOptionsT`; None: it has none."""
    reads: Sequence[Sizes]
    written: int
    """Elements of all outputs."""


Rule = Callable[[_Call], int]


def multiply_accumulates(operator: Operator[Any], facts: Mapping[str, TensorFacts]) -> int | None:
    """Return the work of ``operator`` for the sizes in ``facts``; None: there is no rule for it."""
    rule = _RULES.get(operator.kind)
    sizes = [facts[name].sizes if name in facts else None for name in operator.reads]
    written = [facts[name].sizes if name in facts else None for name in operator.writes]
    if rule is None or None in written:
        return None
    total = sum(prod(one) for one in written if one is not None)
    try:
        return rule(_Call(operator.node.builtinOptions, [one or () for one in sizes], total))
    except (IndexError, AttributeError):  # the shape of an operand, or an option, is not known
        return None


def _free(_: _Call) -> int:
    """Nothing is computed."""
    return 0


def _by_element(call: _Call) -> int:
    return call.written


def _by_input(call: _Call) -> int:
    return prod(call.reads[0])


def _convolution(call: _Call) -> int:
    """Each output element is a sum over one filter: weights are [O, H, W, I/groups]."""
    _, *one_filter = call.reads[1]
    return call.written * prod(one_filter)


def _depthwise(call: _Call) -> int:
    """Each output element is a sum over one window: weights are [1, H, W, O]."""
    _, height, width, _ = _rank(call.reads[1], 4)
    return call.written * height * width


def _convolution_3d(call: _Call) -> int:
    """Each output element is a sum over one filter: weights are [D, H, W, I, O]."""
    *one_filter, _ = _rank(call.reads[1], 5)
    return call.written * prod(one_filter)


def _transposed(call: _Call) -> int:
    """Each input element goes through one filter: weights are [O, H, W, I], the input is third."""
    outputs, height, width, _ = _rank(call.reads[1], 4)
    return prod(call.reads[2]) * outputs * height * width


def _product(call: _Call) -> int:
    """Each output element is a sum over one row of the weights: [units, inputs]."""
    return call.written * call.reads[1][-1]


def _batch_product(call: _Call) -> int:
    """Each output element is a sum over the last axis of the first operand, or the last but one."""
    return call.written * call.reads[0][-2 if call.options and call.options.adjX else -1]


def _pooled(call: _Call) -> int:
    """Each output element is made of one window."""
    return call.written * int(call.options.filterHeight) * int(call.options.filterWidth)


def _rank(sizes: Sizes, rank: int) -> Sizes:
    if len(sizes) != rank:
        raise IndexError(rank)
    return sizes


_FREE: Final = """
    BATCH_TO_SPACE_ND BITCAST BROADCAST_ARGS BROADCAST_TO CONCATENATION DEPTH_TO_SPACE DILATE
    DYNAMIC_UPDATE_SLICE EMBEDDING_LOOKUP EXPAND_DIMS FILL GATHER GATHER_ND MATRIX_DIAG
    MATRIX_SET_DIAG MIRROR_PAD PACK PAD PADV2 RANGE RANK RESHAPE REVERSE_SEQUENCE REVERSE_V2
    SCATTER_ND SHAPE SLICE SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPARSE_TO_DENSE SPLIT SPLIT_V SQUEEZE
    STRIDED_SLICE TILE TRANSPOSE UNPACK WHERE ZEROS_LIKE DENSIFY
"""
_BY_ELEMENT: Final = """
    ABS ADD ADD_N ATAN2 BITWISE_XOR BUCKETIZE CAST CEIL COMPLEX_ABS COS CUMSUM DEQUANTIZE DIV ELU
    EQUAL EXP FAKE_QUANT FLOOR FLOOR_DIV FLOOR_MOD GELU GREATER GREATER_EQUAL HARD_SWISH IMAG
    L2_NORMALIZATION LEAKY_RELU LESS LESS_EQUAL LOCAL_RESPONSE_NORMALIZATION LOG LOG_SOFTMAX
    LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC MAXIMUM MINIMUM MUL MULTINOMIAL NEG NOT_EQUAL
    ONE_HOT POW PRELU QUANTIZE RANDOM_STANDARD_NORMAL RANDOM_UNIFORM REAL RELU RELU6 RELU_0_TO_1
    RELU_N1_TO_1 RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RIGHT_SHIFT ROUND RSQRT SELECT SELECT_V2
    SIGN SIN SOFTMAX SQRT SQUARE SQUARED_DIFFERENCE SUB TANH
"""
_BY_INPUT: Final = """
    ARG_MAX ARG_MIN MEAN REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD SEGMENT_SUM SUM
    TOPK_V2 UNIQUE UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN UNSORTED_SEGMENT_PROD
    UNSORTED_SEGMENT_SUM
"""
_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        **dict.fromkeys(_FREE.split(), _free),
        **dict.fromkeys(_BY_ELEMENT.split(), _by_element),
        **dict.fromkeys(_BY_INPUT.split(), _by_input),
        "AVERAGE_POOL_2D": _pooled,
        "BATCH_MATMUL": _batch_product,
        "CONV_2D": _convolution,
        "CONV_3D": _convolution_3d,
        "DEPTHWISE_CONV_2D": _depthwise,
        "FULLY_CONNECTED": _product,
        "L2_POOL_2D": _pooled,
        "MAX_POOL_2D": _pooled,
        "TRANSPOSE_CONV": _transposed,
    }
)
