"""A TFLite model as the checks for the Edge TPU see it: operators, their tensors, and options.

Read by LiteRT's schema, which comes with the extra ``coral``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fleet.edgetpu.errors import NoTfliteSchemaError
from wire.model.errors import ModelMalformedError

CUSTOM_OP: Final = "edgetpu-custom-op"
"""What the compiler puts in the place of the operators that it mapped."""
_INTEGERS: Final = {"int32": np.int32, "int64": np.int64, "int8": np.int8, "uint8": np.uint8}
_ELEMENT_BYTES: Final = {
    "float64": 8, "int64": 8, "uint64": 8, "complex64": 8, "float32": 4, "int32": 4, "uint32": 4,
    "float16": 2, "bfloat16": 2, "int16": 2, "uint16": 2,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One tensor of a model."""

    name: str
    kind: str
    """Its elements: ``int8``, ``float32``."""
    shape: tuple[int, ...]
    """-1: only known at run time. What may be given another size has its usual one here."""
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    data: NDArray[np.uint8] | None
    """A constant's bytes, in memory of the model; None: it is computed."""

    @property
    def values(self) -> NDArray[Any] | None:
        """A constant's elements, where they are whole numbers."""
        if self.data is None or self.kind not in _INTEGERS:
            return None
        return self.data.view(_INTEGERS[self.kind])

    @property
    def size_bytes(self) -> int:
        """Return what its elements take; those of less than a byte are counted as one."""
        return int(np.prod(self.shape, dtype=np.int64)) * _ELEMENT_BYTES.get(self.kind, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """One operator of a model."""

    kind: str
    """As TFLite's schema names it: ``CONV_2D``; a custom one by its own name."""
    inputs: tuple[Tensor | None, ...]
    """None: one that may be left out, and is."""
    outputs: tuple[Tensor, ...]
    options: Mapping[str, Any]
    """By the schema's names."""

    @property
    def name(self) -> str:
        """Return the first tensor that it writes."""
        return self.outputs[0].name if self.outputs else ""

    @property
    def moving(self) -> tuple[Tensor, ...]:
        """Return what it reads that is computed, and what it writes."""
        read = (tensor for tensor in self.inputs if tensor is not None and tensor.data is None)
        return (*read, *self.outputs)


@dataclass(frozen=True, slots=True, eq=False)
class TfliteModel:
    """A model's first subgraph, its operators in the order that they run in."""

    name: str
    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def compiled(self) -> bool:
        """Whether the Edge TPU's compiler has been over it."""
        return any(operator.kind == CUSTOM_OP for operator in self.operators)

    @property
    def weight_bytes(self) -> int:
        """Return the bytes of its constants, each counted once."""
        found = {
            id(tensor): tensor.size_bytes
            for operator in self.operators
            for tensor in operator.inputs
            if tensor is not None and tensor.data is not None
        }
        return sum(found.values())


def read(path: Path) -> TfliteModel:
    """Return the model in a file.

    Raises:
        NoTfliteSchemaError: LiteRT is not installed.
        ModelMalformedError: It cannot be read, or is no TFLite model.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema  # noqa: PLC0415 an extra
    except ImportError as error:
        raise NoTfliteSchemaError(str(path)) from error
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelMalformedError(str(path), "", f"cannot be read ({error.strerror})") from error
    if data[4:8] != b"TFL3":
        raise ModelMalformedError(str(path), "", "is no TFLite file")
    try:
        return _model(schema, schema.ModelT.InitFromPackedBuf(data, 0), data, path.name)
    except Exception as error:  # a damaged flatbuffer fails wherever its reader happens to be
        raise ModelMalformedError(str(path), "", f"cannot be read ({error})") from error


def _model(schema: Any, model: Any, file: bytes, name: str) -> TfliteModel:
    kinds = _names(schema.BuiltinOperator)
    elements = {number: name.lower() for number, name in _names(schema.TensorType).items()}
    graph = model.subgraphs[0]
    buffers = [_content(one, file) for one in model.buffers]
    tensors = [_tensor(one, buffers, elements) for one in graph.tensors]
    return TfliteModel(
        name=name,
        operators=tuple(
            Operator(
                kind=_kind(model.operatorCodes[one.opcodeIndex], kinds),
                inputs=tuple(tensors[i] if i >= 0 else None for i in _list(one.inputs)),
                outputs=tuple(tensors[i] for i in _list(one.outputs)),
                options=vars(one.builtinOptions) if one.builtinOptions is not None else {},
            )
            for one in _list(graph.operators)
        ),
        inputs=tuple(tensors[index] for index in _list(graph.inputs)),
        outputs=tuple(tensors[index] for index in _list(graph.outputs)),
    )


def _names(enumeration: type) -> dict[int, str]:
    return {number: name for name, number in vars(enumeration).items() if isinstance(number, int)}


def _kind(code: Any, kinds: Mapping[int, str]) -> str:
    number = max(code.builtinCode, code.deprecatedBuiltinCode)  # as old and new files have it
    kind = kinds.get(number, f"operator {number}")
    return _text(code.customCode) if kind == "CUSTOM" else kind


def _content(buffer: Any, file: bytes) -> NDArray[np.uint8] | None:
    """Return what a buffer holds, in the flatbuffer or behind it; None: nothing."""
    if buffer.offset > 1:  # a large model's weights stand behind it
        return np.frombuffer(file, np.uint8, buffer.size, buffer.offset)
    return (
        None if buffer.data is None or not len(buffer.data) else np.asarray(buffer.data, np.uint8)
    )


def _tensor(
    tensor: Any, buffers: Sequence[NDArray[np.uint8] | None], elements: Mapping[int, str]
) -> Tensor:
    quantised = tensor.quantization
    return Tensor(
        name=_text(tensor.name),
        kind=elements.get(tensor.type, f"type {tensor.type}"),
        shape=tuple(_list(tensor.shape)),
        scales=tuple(_list(quantised.scale)) if quantised is not None else (),
        zero_points=tuple(_list(quantised.zeroPoint)) if quantised is not None else (),
        data=buffers[tensor.buffer],
    )


def _list(values: Any) -> list[Any]:
    """Return what the schema has as an array, a list, or nothing."""
    if values is None:
        return []
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def _text(value: bytes | str | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""
