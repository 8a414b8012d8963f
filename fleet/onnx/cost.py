"""How much work an ONNX operator is: multiply-accumulates where it has them, else what it writes.

Counts from shapes alone. They balance segments of one kind of network well; measured times are
better where there are any.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from math import prod
from types import MappingProxyType
from typing import Final

from fleet.onnx.graph import Graph, Operator
from fleet.onnx.parts import Interface
from fleet.onnx.shapes import TensorFacts

Sizes = tuple[int, ...]


def multiply_accumulates(operator: Operator, facts: Mapping[str, TensorFacts]) -> int:
    """Return the work of ``operator`` for the sizes in ``facts``."""
    node = operator.node
    written = sum(prod(_sizes(name, facts)) for name in operator.writes if _known(name, facts))
    count = _COUNTS.get(node.op_type)
    if count is None or not all(name and _known(name, facts) for name in node.input[:1]):
        return written
    reads = [_sizes(name, facts) for name in node.input]
    try:
        return max(count(reads, written), written)
    except IndexError:  # an operand's shape is not known
        return written


def peak_activation_bytes(
    graph: Graph, operators: Sequence[int], face: Interface, facts: Mapping[str, TensorFacts]
) -> int:
    """Return the most bytes of activations that exist at once while ``operators`` run in order."""
    last = len(operators)
    born = dict.fromkeys(face.inputs, 0)
    needed = dict.fromkeys(face.outputs, last)
    for place, index in enumerate(operators):
        born |= dict.fromkeys(graph.operators[index].writes, place)
        needed |= {name: max(place, needed.get(name, 0)) for name in graph.operators[index].reads}
    change = [0] * (last + 2)
    for name, begins in born.items():
        size_bytes = facts[name].size_bytes if name in facts else 0
        change[begins] += size_bytes
        change[max(begins, needed.get(name, 0)) + 1] -= size_bytes
    return max(accumulate(change))


def _known(name: str, facts: Mapping[str, TensorFacts]) -> bool:
    return name in facts and facts[name].sizes is not None


def _sizes(name: str, facts: Mapping[str, TensorFacts]) -> Sizes:
    return (facts[name].sizes if name in facts else None) or ()


def _convolution(weights: int) -> Callable[[list[Sizes], int], int]:
    """Each output element is a sum over one filter: W is [M, C/group, *kernel]."""
    return lambda reads, written: written * prod(reads[weights][1:])


def _transposed(reads: list[Sizes], _: int) -> int:
    """Each input element goes through one filter: W is [C, M/group, *kernel]."""
    return prod(reads[0]) * prod(reads[1][1:])


def _product(weights: int) -> Callable[[list[Sizes], int], int]:
    """Each output element is a sum over the last axis of A."""
    return lambda reads, written: written * reads[0][-1] if reads[weights] else written


def _gemm(reads: list[Sizes], written: int) -> int:
    """A and B may be transposed: M*N elements of C, M*K of A."""
    rows_times_inner, columns_times_inner = prod(reads[0]), prod(reads[1])
    return int((rows_times_inner * columns_times_inner * written) ** 0.5 + 0.5)


def _recurrent(reads: list[Sizes], _: int) -> int:
    """Each step multiplies with W and R; X is [steps, batch, inputs]."""
    return reads[0][0] * reads[0][1] * (prod(reads[1]) + prod(reads[2]))


_COUNTS: Final[Mapping[str, Callable[[list[Sizes], int], int]]] = MappingProxyType(
    {
        "Conv": _convolution(1),
        "ConvInteger": _convolution(1),
        "FusedConv": _convolution(1),
        "QLinearConv": _convolution(3),
        "ConvTranspose": _transposed,
        "MatMul": _product(1),
        "MatMulInteger": _product(1),
        "FusedMatMul": _product(1),
        "QLinearMatMul": _product(3),
        "Gemm": _gemm,
        "FusedGemm": _gemm,
        "LSTM": _recurrent,
        "GRU": _recurrent,
        "RNN": _recurrent,
    }
)
