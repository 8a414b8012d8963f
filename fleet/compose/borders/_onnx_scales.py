"""What integers at the border of an ONNX graph stand for, where an operator there says it. Pure."""

from collections.abc import Mapping
from typing import Final

from onnx import GraphProto, NodeProto, TensorProto
from onnx import numpy_helper as arrays

from fleet.compose.borders import Meaning
from fleet.compose.contract import Quantisation

DOMAINS: Final = ("", "ai.onnx")
"""Both are ONNX's own."""
_SCALES_OF_INPUTS: Final[Mapping[str, Mapping[int, int]]] = {
    "DequantizeLinear": {0: 1},
    "QLinearConv": {0: 1, 3: 4},
    "QLinearMatMul": {0: 1, 3: 4},
}
"""By the place of an input, where its scale is; the zero point is behind it."""
_SCALES_OF_OUTPUTS: Final = {"QuantizeLinear": 1, "QLinearConv": 6, "QLinearMatMul": 6}


class Scales:
    """Reads the scales at the border of one graph."""

    def __init__(self, graph: GraphProto) -> None:
        self._weights = {tensor.name: tensor for tensor in graph.initializer}
        self._graph = graph

    def of_input(self, name: str) -> Meaning:
        """Return what all readers of an input agree on."""
        found = {
            self._said(node, _SCALES_OF_INPUTS.get(node.op_type, {}).get(place))
            for node in self._graph.node
            for place, read in enumerate(node.input)
            if read == name
        }
        return found.pop() if len(found) == 1 else Meaning()

    def of_output(self, name: str) -> Meaning:
        """Return what the maker of an output says."""
        for node in self._graph.node:
            if node.output and node.output[0] == name:
                return self._said(node, _SCALES_OF_OUTPUTS.get(node.op_type))
        return Meaning()

    def _said(self, node: NodeProto, place: int | None) -> Meaning:
        if place is None or node.domain not in DOMAINS or len(node.input) <= place:
            return Meaning()
        scales = self._numbers(node.input[place])
        has_zero = len(node.input) > place + 1 and node.input[place + 1]
        zeros = self._numbers(node.input[place + 1]) if has_zero else (0.0,)
        if len(scales) > 1:
            return Meaning(per_channel=True)
        if not scales or not zeros:
            return Meaning()
        return Meaning(Quantisation(scale=scales[0], zero_point=int(zeros[0])))

    def _numbers(self, name: str) -> tuple[float, ...]:
        """Return a small weight's elements; none where it is something else."""
        tensor = self._weights.get(name)
        if tensor is None or tensor.data_location == TensorProto.EXTERNAL:
            return ()
        return tuple(map(float, arrays.to_array(tensor).reshape(-1)))
