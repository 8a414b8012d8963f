"""How much work an ONNX operator is, from shapes alone: multiply-accumulates.

Operators that compute element by element count one for each element that they write, those that
reduce one for each element that they read, those that only move data none. An operator without a
rule is not guessed: it counts nothing, and whoever asks is told its name.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import Final, NamedTuple

from onnx import NodeProto

from fleet.model_graph.facts import TensorFacts
from fleet.model_graph.graph import Operator

Sizes = tuple[int, ...]


class _Call(NamedTuple):
    """One operator with the sizes of what it reads and writes; () where they are not known."""

    node: NodeProto
    reads: Sequence[Sizes]
    written: int
    """Elements of all outputs."""

    def integers(self, name: str) -> tuple[int, ...]:
        """Return an attribute that is a list of integers, or one; empty where it is not given."""
        for attribute in self.node.attribute:
            if attribute.name == name:
                return tuple(attribute.ints) or (attribute.i,)
        return ()

    def text(self, name: str) -> str:
        """Return an attribute that is a text."""
        return next((a.s.decode() for a in self.node.attribute if a.name == name), "")


Rule = Callable[[_Call], int]


def multiply_accumulates(
    operator: Operator[NodeProto], facts: Mapping[str, TensorFacts]
) -> int | None:
    """Return the work of ``operator`` for the sizes in ``facts``; None: there is no rule for it."""
    node = operator.node
    rule = _RULES.get((node.domain if node.domain != "ai.onnx" else "", node.op_type))
    if rule is None:
        return None
    written = sum(prod(_sizes(name, facts)) for name in operator.writes if _known(name, facts))
    reads = [_sizes(name, facts) for name in node.input]
    try:
        return rule(_Call(node, reads, written))
    except (IndexError, ValueError, KeyError):  # the shape of an operand is not known
        return None


def _known(name: str, facts: Mapping[str, TensorFacts]) -> bool:
    return name in facts and facts[name].sizes is not None


def _sizes(name: str, facts: Mapping[str, TensorFacts]) -> Sizes:
    return (facts[name].sizes if name in facts else None) or ()


def _free(_: _Call) -> int:
    """Nothing is computed."""
    return 0


def _by_element(call: _Call) -> int:
    return call.written


def _by_input(call: _Call) -> int:
    return prod(call.reads[0])


def _convolution(weights: int) -> Rule:
    """Each output element is a sum over one filter: W is [M, C/group, *kernel]."""

    def rule(call: _Call) -> int:
        _, *one_filter = call.reads[weights]
        return call.written * prod(one_filter)

    return rule


def _transposed(call: _Call) -> int:
    """Each input element goes through one filter: W is [C, M/group, *kernel]."""
    return prod(call.reads[0]) * prod(call.reads[1][1:])


def _product(call: _Call) -> int:
    """Each output element is a sum over the last axis of A."""
    return call.written * call.reads[0][-1]


def _blocked_product(call: _Call) -> int:
    """As `_product`, with the length of the sum as the attribute K."""
    return call.written * call.integers("K")[0]


def _gemm(call: _Call) -> int:
    """Each output element is a sum over the rows or the columns of A."""
    rows, columns = call.reads[0]
    return call.written * (rows if call.integers("transA") == (1,) else columns)


def _recurrent(call: _Call) -> int:
    """Each step multiplies with W and R; X is [steps, batch, inputs]."""
    steps, batch = call.reads[0][:2]
    return steps * batch * (prod(call.reads[1]) + prod(call.reads[2]))


def _pooled(call: _Call) -> int:
    """Each output element is made of one window."""
    return call.written * prod(call.integers("kernel_shape"))


def _einsum(call: _Call) -> int:
    """The product of the sizes of all indices. An ellipsis has no rule."""
    left = call.text("equation").replace(" ", "").partition("->")[0]
    sizes: dict[str, int] = {}
    for letters, shape in zip(left.split(","), call.reads, strict=True):
        sizes.update(zip(letters, shape, strict=True))
    return prod(sizes.values())


def _attention(call: _Call) -> int:
    """Q by K, then by V; each is [batch, heads, length, size]."""
    (batch, heads, queries, size), (_, _, keys, _), (_, _, _, values) = call.reads[:3]
    return batch * heads * queries * keys * (size + values)


_FREE: Final = """
    Concat ConcatFromSequence Constant ConstantOfShape DepthToSpace EyeLike Expand Flatten Gather
    GatherElements GatherND Identity Pad Range Reshape ReverseSequence ScatterElements
    ScatterND SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert
    SequenceLength Shape Size Slice SpaceToDepth Split SplitToSequence Squeeze Tile Transpose
    Unsqueeze Compress NonZero Trilu TensorScatter Dropout Scatter
"""
_BY_ELEMENT: Final = """
    Abs Acos Acosh Add And Asin Asinh Atan Atanh Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr
    BitwiseXor Cast CastLike Ceil Celu Clip Cos Cosh DequantizeLinear Div DynamicQuantizeLinear Elu
    Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid HardSwish Hardmax IsInf IsNaN
    LeakyRelu Less LessOrEqual Log LogSoftmax Max Mean Min Mish Mod Mul Multinomial Neg Not OneHot
    Or PRelu Pow QuantizeLinear RandomNormal RandomNormalLike RandomUniform RandomUniformLike
    Reciprocal Relu Resize Round RotaryEmbedding Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus
    Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Upsample Where Xor CumSum CumProd
    AffineGrid BatchNormalization GroupNormalization InstanceNormalization LayerNormalization
    LpNormalization MeanVarianceNormalization RMSNormalization GridSample
"""
_BY_INPUT: Final = """
    ArgMax ArgMin GlobalAveragePool GlobalLpPool GlobalMaxPool ReduceL1 ReduceL2 ReduceLogSum
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare TopK
    Unique
"""
_EXACT: Final[Mapping[str, Rule]] = {
    "Attention": _attention,
    "AveragePool": _pooled,
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "ConvTranspose": _transposed,
    "DeformConv": _convolution(1),
    "Einsum": _einsum,
    "GRU": _recurrent,
    "Gemm": _gemm,
    "LRN": _by_element,
    "LSTM": _recurrent,
    "LpPool": _pooled,
    "MatMul": _product,
    "MatMulInteger": _product,
    "MaxPool": _pooled,
    "QLinearConv": _convolution(3),
    "QLinearMatMul": _product,
    "RNN": _recurrent,
}
_MICROSOFT: Final[Mapping[str, Rule]] = {
    "BiasGelu": _by_element,
    "FastGelu": _by_element,
    "FusedConv": _convolution(1),
    "FusedGemm": _gemm,
    "FusedMatMul": _product,
    "Gelu": _by_element,
    "MatMulNBits": _blocked_product,
    "QGemm": _gemm,
    "QLinearAdd": _by_element,
    "QLinearAveragePool": _pooled,
    "QLinearConcat": _free,
    "QLinearGlobalAveragePool": _by_input,
    "QLinearLeakyRelu": _by_element,
    "QLinearMul": _by_element,
    "QLinearSigmoid": _by_element,
    "QLinearSoftmax": _by_element,
    "QuickGelu": _by_element,
    "SkipLayerNormalization": _by_element,
    "SkipSimplifiedLayerNormalization": _by_element,
}
_RULES: Final[Mapping[tuple[str, str], Rule]] = MappingProxyType(
    {
        **{("", name): _free for name in _FREE.split()},
        **{("", name): _by_element for name in _BY_ELEMENT.split()},
        **{("", name): _by_input for name in _BY_INPUT.split()},
        **{("", name): rule for name, rule in _EXACT.items()},
        **{("com.microsoft", name): rule for name, rule in _MICROSOFT.items()},
    }
)
