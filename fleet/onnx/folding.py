"""Compute once what depends on weights alone, where the result is small.

Exporters leave arithmetic on shapes and scales in the graph. Left there, every segment that needs
it would compute it again, and what it says of sizes could not be seen. Large results (a transposed
weight, an int8 weight made float) stay computed: they would make the segments larger. So do those
that a product or a convolution reads: a runtime rearranges a weight that it knows beforehand, and
then adds in another order, so that not every bit would be equal.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from fleet import children
from fleet.children import RunOptions
from fleet.errors import ChildFailedError
from fleet.model_graph.facts import TensorFacts
from fleet.model_graph.open_model import Part
from fleet.model_graph.parts import with_constants
from fleet.onnx import segments as onnx_segments
from fleet.onnx.graph import Graph
from fleet.onnx.source import Source
from wire.tensors import ELEMENT_TYPES

_FLOAT16: Final = 10
FOLDED_BYTES: Final = 64 << 10
"""A result of at most this size takes the place of what computes it."""


_TAKES_CONSTANTS: Final = """
    Add And BitShift Cast CastLike Clip Concat ConstantOfShape Div Equal Expand Flatten Gather
    GatherElements GatherND Greater GreaterOrEqual Identity Less LessOrEqual Max Min Mod Mul Not
    OneHot Or Pad Pow Range Reshape Resize ScatterElements ScatterND Slice Split Squeeze Sub Tile
    TopK Transpose Trilu Unsqueeze Upsample Where Xor
"""
FOLDED_INTO: Final = frozenset(_TAKES_CONSTANTS.split())
"""Operators of ONNX's own that do the same with a constant as with any other tensor."""


def fold(source: Source, graph: Graph, facts: Mapping[str, TensorFacts], near: Path) -> int:
    """Replace operators on weights alone in ``source.model`` by their results, where small.

    Args:
        source: Changed in place; the graph must be read again when something was folded.
        graph: Of ``source.model``.
        facts: Types and sizes of its tensors.
        near: A folder for temporary files.

    Returns:
        The number of operators that went away; 0 where the runtime cannot compute them.
    """
    folded = _foldable(graph, facts)
    wanted = _read_outside(graph, folded)
    if not wanted:
        return 0
    try:
        values = _computed(source, graph, wanted, near)
    except ChildFailedError:
        return 0  # the segments will say what is wrong with it
    kept = [o.node for index, o in enumerate(graph.operators) if index not in folded]
    _replace(source.model, kept, values)
    return len(folded)


def _foldable(graph: Graph, facts: Mapping[str, TensorFacts]) -> set[int]:
    """Return the constant operators whose results are small and read by nothing that minds."""
    readers: dict[str, list[int]] = {}
    for index, operator in enumerate(graph.operators):
        for name in operator.reads:
            readers.setdefault(name, []).append(index)
    found: set[int] = set()
    for index in reversed(range(len(graph.operators))):  # readers come first
        operator = graph.operators[index]
        if operator.constant and all(_is_small(name, facts) for name in operator.writes):
            read_by = {reader for name in operator.writes for reader in readers.get(name, ())}
            if all(reader in found or _takes_constants(graph, reader) for reader in read_by):
                found.add(index)
    return found


def _takes_constants(graph: Graph, index: int) -> bool:
    node = graph.operators[index].node
    return node.domain in {"", "ai.onnx"} and node.op_type in FOLDED_INTO


def _is_small(name: str, facts: Mapping[str, TensorFacts]) -> bool:
    known = facts.get(name)
    return (
        known is not None
        and known.dtype in ELEMENT_TYPES
        and known.dtype != _FLOAT16  # a CPU goes on with more bits than the result would keep
        and known.sizes is not None
        and known.size_bytes <= FOLDED_BYTES
    )


def _read_outside(graph: Graph, folded: set[int]) -> tuple[str, ...]:
    """Return the results that something else than ``folded`` operators reads."""
    made = {name for index in folded for name in graph.operators[index].writes}
    read = {
        name
        for index, operator in enumerate(graph.operators)
        if index not in folded
        for name in operator.reads
    }
    return tuple(sorted(made & (read | set(graph.outputs)), key=graph.rank))


def _computed(
    source: Source, graph: Graph, wanted: tuple[str, ...], near: Path
) -> Mapping[str, NDArray[Any]]:
    part = Part(
        name="constants",
        operators=with_constants(graph, (), wanted),
        inputs={},
        outputs=dict.fromkeys(wanted, TensorFacts()),
        metadata={},
    )
    with tempfile.TemporaryDirectory(prefix="constants-", dir=near) as name:
        onnx_segments.write_scratch(Path(name), source, graph, part)
        (values,) = children.run(Path(name), [{}], RunOptions(mapped=True)).outputs
    return values


def _replace(
    model: ModelProto, kept: Sequence[NodeProto], values: Mapping[str, NDArray[Any]]
) -> None:
    """Leave the operators that outputs depend on, without those that were computed."""
    rest = [NodeProto.FromString(node.SerializeToString()) for node in kept]
    del model.graph.node[:]
    model.graph.node.extend(rest)
    for name, array in values.items():
        made: TensorProto = numpy_helper.from_array(array, name)
        model.graph.initializer.append(made)
