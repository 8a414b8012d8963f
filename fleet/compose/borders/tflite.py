"""Borders of TFLite files, by the object API of LiteRT's schema."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from fleet.compose.borders import ADAPTED, Change, Face, Meaning, face
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
from fleet.tflite import open_model, segments
from fleet.tflite.open_model import TfliteModel
from fleet.tflite.schema import schema, text
from wire.tflite.element_types import ELEMENT_TYPES
from wire.tflite.schema import VERSION
from wire.tflite.structure import Quantization

_NUMBERS: Final = {kind.onnx: number for number, kind in enumerate(ELEMENT_TYPES) if kind.onnx}
"""TFLite's numbers of types, by ONNX's."""
_INT8: Final = 3
_INT16: Final = 5


class _Operator(NamedTuple):
    """A builtin operator, and what it needs."""

    name: str
    options: str
    version: int


class TfliteBorder:
    """Reads and writes borders of TFLite files; see ``Border``."""

    MODEL_FILE = segments.MODEL_FILE

    def read(self, model: Path, stage: int) -> Face:
        """Return what the file takes and gives; see ``Border``."""
        with open_model.opened(model) as found:
            return _face(found, stage)

    def write(self, model: Path, inputs: Sequence[Change], outputs: Sequence[Change]) -> None:
        """Change the file; see ``Border``."""
        with open_model.opened(model) as found:
            source = found.source
            places = {name: place for place, name in enumerate(source.names)}
            _check_apart(inputs, outputs, model)
            own = {contract.name: contract for contract in _face(found, 0).outputs}
            writer = _Writer(source.model)
            taken = [writer.take(places[change.name], change) for change in inputs]
            given = [writer.give(places[c.name], own[c.name], c) for c in outputs]
            writer.declare(taken, given)
            data = segments.packed(source.model, str(model))
        model.write_bytes(data)

    def alone(self, model: Path, like: Path, made: Contract, steps: Sequence[Step]) -> None:  # noqa: ARG002
        """Write an adapter alone; see ``Border``. TFLite's operators are the same in any file."""
        graph = schema().SubGraphT(tensors=[], operators=[], name=ADAPTED.encode())
        proto = schema().ModelT(
            version=VERSION, operatorCodes=[], buffers=[schema().BufferT()], subgraphs=[graph]
        )
        writer = _Writer(proto)
        taken = writer.tensor(made)
        given = writer.tensor(after(made, steps).named(ADAPTED))
        graph.operators.extend(writer.chain(taken, made, steps, given))
        writer.declare([taken], [given])
        model.write_bytes(segments.packed(proto, str(model)))


class _Writer:
    """Changes one model."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.graph = model.subgraphs[0]

    def take(self, own: int, change: Change) -> int:
        """Make an input come as it travels; returns the tensor that comes."""
        if not change.steps:
            self.graph.tensors[own].name = change.outside.name.encode()
            return own
        comes = self.tensor(change.outside)
        self._hide(own, change.outside.name)
        self.graph.operators[:0] = self.chain(comes, change.outside, change.steps, own)
        return comes

    def give(self, own: int, made: Contract, change: Change) -> int:
        """Make an output leave as it travels; returns the tensor that leaves."""
        if not change.steps:
            self.graph.tensors[own].name = change.outside.name.encode()
            return own
        leaves = self.tensor(change.outside)
        self._hide(own, change.outside.name)
        self.graph.operators.extend(self.chain(own, made, change.steps, leaves))
        return leaves

    def declare(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Say what inputs and outputs there are, also in a signature by their names."""
        self.graph.inputs = np.array(inputs, np.int32)
        self.graph.outputs = np.array(outputs, np.int32)
        signature = schema().SignatureDefT()
        signature.signatureKey = segments.SIGNATURE
        signature.inputs = [self._named(place) for place in inputs]
        signature.outputs = [self._named(place) for place in outputs]
        self._model.signatureDefs = [signature]

    def chain(self, source: int, made: Contract, steps: Sequence[Step], target: int) -> list[Any]:
        """Return operators that make tensor ``target`` of tensor ``source``."""
        operators = []
        for number, step in enumerate(steps):
            before, made = made, after(made, [step])
            is_last = number + 1 == len(steps)
            name = f"{text(self.graph.tensors[target].name)}/{number}"
            result = target if is_last else self.tensor(made.named(name))
            operators.append(self._operator(step, before, source, result))
            source = result
        return operators

    def tensor(self, contract: Contract) -> int:
        """Add a tensor; returns its place."""
        made = schema().TensorT()
        made.name = contract.name.encode()
        made.type = self._type(contract.dtype)
        sizes = [size if isinstance(size, int) else -1 for size in contract.shape]
        made.shape = np.array([max(1, size) for size in sizes], np.int32)
        made.shapeSignature = np.array(sizes, np.int32)
        made.hasRank = True
        if contract.quantisation is not None:
            made.quantization = schema().QuantizationParametersT()
            made.quantization.scale = np.array([contract.quantisation.scale], np.float32)
            made.quantization.zeroPoint = np.array([contract.quantisation.zero_point], np.int64)
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def _constant(self, name: str, values: Sequence[int]) -> int:
        buffer = schema().BufferT()
        array = np.array(values, np.int32)
        buffer.data = np.frombuffer(array.tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        made = schema().TensorT()
        made.name, made.type, made.buffer = (
            name.encode(),
            self._type(6),
            len(self._model.buffers) - 1,
        )
        made.shape, made.hasRank = np.array(array.shape, np.int32), True
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def _operator(self, step: Step, before: Contract, source: int, result: int) -> Any:
        name = text(self.graph.tensors[result].name)
        inputs = [source]
        match step:
            case Transpose(order):
                kind = _Operator("TRANSPOSE", "TransposeOptions", 2 if before.dtype == _INT8 else 1)
                inputs.append(self._constant(f"{name}/order", order))
            case Reshape(shape):
                kind = _Operator("RESHAPE", "ReshapeOptions", 1)
                sizes = [size if isinstance(size, int) else -1 for size in shape]
                inputs.append(self._constant(f"{name}/shape", sizes))
            case Cast():
                kind = _Operator("CAST", "CastOptions", 1)
            case Quantize():
                kind = _Operator("QUANTIZE", "QuantizeOptions", 1)
            case Dequantize(_, dtype):
                version = {_INT8: 2, _INT16: 3}.get(dtype, 1)
                kind = _Operator("DEQUANTIZE", "DequantizeOptions", version)
        made = schema().OperatorT()
        made.opcodeIndex = self._code(kind)
        made.inputs, made.outputs = np.array(inputs, np.int32), np.array([result], np.int32)
        made.builtinOptionsType = getattr(schema().BuiltinOptions, kind.options)
        made.builtinOptions = getattr(schema(), f"{kind.options}T")()
        if isinstance(step, Cast):
            made.builtinOptions.inDataType = self._type(before.dtype)
            made.builtinOptions.outDataType = self._type(step.dtype)
        return made

    def _code(self, kind: _Operator) -> int:
        """Return the place of an operator's code, which is added where it is not there."""
        builtin = getattr(schema().BuiltinOperator, kind.name)
        for place, known in enumerate(self._model.operatorCodes):
            number = max(known.builtinCode, known.deprecatedBuiltinCode)
            if number == builtin and known.version == kind.version:
                return place
        made = schema().OperatorCodeT()
        made.builtinCode, made.deprecatedBuiltinCode = builtin, min(builtin, 127)
        made.version = kind.version
        self._model.operatorCodes.append(made)
        return len(self._model.operatorCodes) - 1

    def _type(self, dtype: int) -> int:
        return _NUMBERS[dtype]

    def _named(self, place: int) -> Any:
        named = schema().TensorMapT()
        named.name, named.tensorIndex = self.graph.tensors[place].name, place
        return named

    def _hide(self, own: int, outside: str) -> None:
        """Give a tensor another name where the one that travels has its own."""
        names = {text(tensor.name) for tensor in self.graph.tensors}
        hidden = outside
        while hidden in names:
            hidden += "/inside"
        if text(self.graph.tensors[own].name) == outside:
            self.graph.tensors[own].name = hidden.encode()


def _face(found: TfliteModel, stage: int) -> Face:
    source = found.source
    tensors = dict(zip(source.names, source.graph.tensors, strict=True))

    def meaning(name: str) -> Meaning:
        return _meaning(tensors[name].quantization)

    return face(found, stage, frozenset(source.names), meaning, meaning)


def _check_apart(inputs: Sequence[Change], outputs: Sequence[Change], model: Path) -> None:
    """Refuse an output that is an input and would need another name: it is one tensor."""
    names = {change.name: change.outside.name for change in inputs}
    for change in outputs:
        if names.get(change.name, change.outside.name) != change.outside.name and not change.steps:
            problem = f"its input {change.name!r:.80} is an output as well"
            raise StageError(str(model), problem, "leave that output out when you export it")


def _meaning(found: Quantization | None) -> Meaning:
    if found is None or len(found.scales) != 1:
        return Meaning(per_channel=found is not None and len(found.scales) > 1)
    zero = found.zero_points[0] if found.zero_points else 0
    return Meaning(Quantisation(scale=found.scales[0], zero_point=zero))


PLUGIN = TfliteBorder
