"""Find the operator that chose the indices in an output of an ONNX graph.

Between the two may stand operators that move elements or change their type, and nothing else.

Pure: reads the protobuf, changes nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from onnx import GraphProto, NodeProto, helper

from fleet.verify.ties import ROWS, Choice, Step

_CHOOSERS: Final[Mapping[str, tuple[int, int, int]]] = {
    "ArgMax": (0, 0, 0),
    "ArgMin": (0, 0, 0),
    "TopK": (1, 0, -1),
    ROWS: (0, 1, -1),
}
"""Which output holds indices, which input the scores, and the axis where none is given."""
_SAME_ORDER: Final = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})


def choice(graph: GraphProto, output: str) -> Choice | None:
    """Return how the indices in ``output`` were chosen; None where no such operator did."""
    maker = {name: node for node in graph.node for name in node.output if name}
    steps: list[Step] = []
    tensor = output
    while tensor in maker:
        node = maker.pop(tensor)  # a graph in a circle ends
        if node.domain not in ("", "ai.onnx"):
            return None
        if node.op_type in _CHOOSERS:
            return _chosen(node, output, tensor, steps)
        step = _step(node, tensor)
        if step is None:
            return None
        steps.append(step)
        tensor = node.input[0]
    return None


def _chosen(node: NodeProto, output: str, tensor: str, steps: list[Step]) -> Choice | None:
    place, source, axis = _CHOOSERS[node.op_type]
    if len(node.output) <= place or node.output[place] != tensor or len(node.input) <= source:
        return None
    return Choice(
        output=output,
        operator=node.op_type,
        indices=tensor,
        scores=node.input[source],
        axis=_attribute(node, "axis", axis),
        steps=tuple(reversed(steps)),
    )


def _step(node: NodeProto, tensor: str) -> Step | None:
    if not node.input or node.output[0] != tensor:
        return None
    if node.op_type in _SAME_ORDER:
        return Step("shape", tensor)
    if node.op_type == "Transpose":
        return Step("transpose", tensor, axes=tuple(_attribute(node, "perm", ())))
    if node.op_type == "Gather" and len(node.input) > 1:
        return Step("gather", tensor, axes=(_attribute(node, "axis", 0),), chosen=node.input[1])
    return None


def _attribute(node: NodeProto, name: str, default: Any) -> Any:
    for attribute in node.attribute:
        if attribute.name == name:
            return helper.get_attribute_value(attribute)
    return default
