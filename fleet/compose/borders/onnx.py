"""Borders of ONNX files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, ValueInfoProto, helper
from onnx import numpy_helper as arrays

from fleet.compose.borders import ADAPTED, Change, Face, face
from fleet.compose.borders._onnx_names import names_of, rename
from fleet.compose.borders._onnx_scales import DOMAINS, Scales
from fleet.compose.contract import (
    Cast,
    Contract,
    Dequantize,
    Quantisation,
    Quantize,
    Reshape,
    Step,
    Transpose,
    after,
)
from fleet.compose.errors import StageError
from fleet.onnx import open_model, segments
from wire import codecs

_INT16: Final = (4, 5)
_QUANTISES: Final = 10
_QUANTISES_INT16: Final = 21
_INT32: Final = 6


class OnnxBorder:
    """Reads and writes borders of ONNX files; see ``Border``."""

    MODEL_FILE = segments.MODEL_FILE

    def read(self, model: Path, stage: int) -> Face:
        """Return what the file takes and gives; see ``Border``."""
        with open_model.opened(model) as found:
            scales = Scales(found.source.model.graph)
            names = frozenset(names_of(found.source.model.graph))
            return face(found, stage, names, scales.of_input, scales.of_output)

    def write(self, model: Path, inputs: Sequence[Change], outputs: Sequence[Change]) -> None:
        """Change the file; see ``Border``."""
        proto = onnx.load(model, load_external_data=False)
        writer = _Writer(proto, model.name)
        for change in inputs:
            writer.take(change)
        for change in outputs:
            writer.give(change)
        writer.declare(inputs, outputs)
        model.write_bytes(proto.SerializeToString(deterministic=True))

    def alone(self, model: Path, like: Path, made: Contract, steps: Sequence[Step]) -> None:
        """Write an adapter alone; see ``Border``."""
        segment = onnx.load(like, load_external_data=False)
        proto = ModelProto(ir_version=segment.ir_version, producer_name="paceline")
        proto.opset_import.extend(segment.opset_import)
        proto.graph.name = ADAPTED
        writer = _Writer(proto, like.name)
        proto.graph.node.extend(writer.chain(made.name, steps, ADAPTED))
        proto.graph.input.append(_value(made.name, made))
        proto.graph.output.append(_value(ADAPTED, after(made, steps)))
        model.write_bytes(proto.SerializeToString(deterministic=True))


class _Writer:
    """Changes one model."""

    def __init__(self, model: ModelProto, name: str) -> None:
        self._model = model
        self._graph = model.graph
        self._name = name
        self._names = set(names_of(model.graph))
        self._renamed: dict[str, str] = {}
        self._opset = max((o.version for o in model.opset_import if o.domain in DOMAINS), default=0)

    def take(self, change: Change) -> None:
        """Make an input come as it travels."""
        if not change.steps:
            self._rename(change.name, change.outside.name)
            return
        if change.outside.name == change.name:
            self._rename(change.name, self._fresh(change.name))
        nodes = [
            *self.chain(change.outside.name, change.steps, self._now(change.name)),
            *(NodeProto.FromString(node.SerializeToString()) for node in self._graph.node),
        ]
        del self._graph.node[:]
        self._graph.node.extend(nodes)

    def give(self, change: Change) -> None:
        """Make an output leave as it travels."""
        inner, outside = self._now(change.name), change.outside.name
        if not change.steps and inner != outside:
            if any(inner in node.output for node in self._graph.node):
                self._rename(change.name, outside)
            else:
                self._graph.node.append(helper.make_node("Identity", [inner], [outside]))
        elif change.steps:
            if inner == outside:
                self._rename(change.name, self._fresh(inner))
            self._graph.node.extend(self.chain(self._now(change.name), change.steps, outside))

    def declare(self, inputs: Sequence[Change], outputs: Sequence[Change]) -> None:
        """Say what inputs and outputs there are."""
        weights = {tensor.name for tensor in self._graph.initializer}
        defaults = [value for value in self._graph.input if value.name in weights]
        kept = [ValueInfoProto.FromString(value.SerializeToString()) for value in defaults]
        inner = {c.outside.name for c in (*inputs, *outputs)}
        values = [v for v in self._graph.value_info if v.name not in inner]
        values = [ValueInfoProto.FromString(value.SerializeToString()) for value in values]
        for field in (self._graph.input, self._graph.output, self._graph.value_info):
            del field[:]
        self._graph.input.extend(_value(c.outside.name, c.outside) for c in inputs)
        self._graph.input.extend(kept)
        self._graph.output.extend(_value(c.outside.name, c.outside) for c in outputs)
        self._graph.value_info.extend(values)

    def chain(self, source: str, steps: Sequence[Step], target: str) -> list[NodeProto]:
        """Return operators that make ``target`` of ``source``; what they need becomes weights."""
        nodes = []
        for number, step in enumerate(steps):
            is_last = number + 1 == len(steps)
            result = target if is_last else self._fresh(f"{target}/{number}")
            nodes.append(self._node(step, source, result))
            source = result
        return nodes

    def _node(self, step: Step, source: str, result: str) -> NodeProto:
        name = f"paceline/{result}"
        match step:
            case Transpose(order):
                return helper.make_node("Transpose", [source], [result], name, perm=order)
            case Cast(dtype):
                self._need(_QUANTISES, "Cast")
                return helper.make_node("Cast", [source], [result], name, to=dtype)
            case Reshape(shape):
                self._need(_QUANTISES, "Reshape")
                sizes = [size if isinstance(size, int) else -1 for size in shape]
                target = self._weight(f"{result}/shape", np.array(sizes, np.int64))
                return helper.make_node("Reshape", [source, target], [result], name)
            case Quantize(dtype, to):
                return self._linear("QuantizeLinear", source, result, dtype, to)
            case Dequantize(of, dtype):
                return self._linear("DequantizeLinear", source, result, dtype, of)

    def _linear(
        self, operator: str, source: str, result: str, dtype: int, by: Quantisation
    ) -> NodeProto:
        self._need(_QUANTISES_INT16 if dtype in _INT16 else _QUANTISES, operator)
        if dtype == _INT32 and operator == "QuantizeLinear":
            problem = "ONNX has no operator that quantises to int32"
            raise StageError(self._name, problem, "export the other side with int8 or float32")
        scale = self._weight(f"{result}/scale", np.array(by.scale, np.float32))
        inputs = [source, scale]
        if dtype != _INT32:
            zero = np.array(by.zero_point, codecs.DTYPES[dtype])
            inputs.append(self._weight(f"{result}/zero_point", zero))
        return helper.make_node(operator, inputs, [result], f"paceline/{result}")

    def _need(self, opset: int, operator: str) -> None:
        if self._opset < opset:
            problem = f"opset {self._opset} has no {operator} as it is needed"
            raise StageError(self._name, problem, f"export it with opset {opset} or later")

    def _weight(self, name: str, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
        name = self._fresh(name)
        self._graph.initializer.append(arrays.from_array(array, name))
        return name

    def _fresh(self, name: str) -> str:
        """Return a name that no tensor has, and keep it."""
        made, number = name, 0
        while made in self._names:
            number += 1
            made = f"{name}.{number}"
        self._names.add(made)
        return made

    def _now(self, name: str) -> str:
        """Return the name that a tensor of the segment has by now."""
        return self._renamed.get(name, name)

    def _rename(self, name: str, new: str) -> None:
        rename(self._graph, self._now(name), new)
        self._renamed[name] = new


def _value(name: str, contract: Contract) -> ValueInfoProto:
    shape = [None if size == "" else size for size in contract.shape]
    return helper.make_tensor_value_info(name, contract.dtype, shape)


PLUGIN = OnnxBorder
