"""A TFLite model as the checks for the Edge TPU see it: operators, their tensors, and options.

Scanned first, as devices do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fleet.tflite.schema import schema
from wire.model.files import map_model
from wire.model.tflite_files import scan_tflite_source
from wire.tflite import structure
from wire.tflite.element_types import ELEMENT_TYPES
from wire.tflite.operators import EDGETPU_CUSTOM_OP

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
    """What may be given another size has its usual one here."""
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
        return any(operator.kind == EDGETPU_CUSTOM_OP for operator in self.operators)

    @property
    def weight_bytes(self) -> int:
        """Return the bytes of its constants."""
        return weight_bytes(self.operators)


def weight_bytes(operators: Iterable[Operator]) -> int:
    """Return the bytes of the constants that operators read, each counted once."""
    found = {
        id(tensor): tensor.size_bytes
        for operator in operators
        for tensor in operator.inputs
        if tensor is not None and tensor.data is not None
    }
    return sum(found.values())


def read(path: Path) -> TfliteModel:
    """Return the model in a file, which may be compiled.

    Raises:
        ModelError: It cannot be read, is no TFLite model, or the scan refuses it (``model.*``).
        SchemaMissingError: LiteRT is not installed.
    """
    scan_tflite_source(path)
    data = memoryview(map_model(path))
    found = structure.read(data)
    graph = found.graphs[0]
    tensors = [_tensor(one, _content(found.buffers[one.buffer], data)) for one in graph.tensors]
    written = schema().ModelT.InitFromObj(schema().Model.GetRootAs(data, 0)).subgraphs[0]
    return TfliteModel(
        name=path.name,
        operators=tuple(
            Operator(
                kind=found.codes[one.code].name,
                inputs=tuple(tensors[i] if i >= 0 else None for i in one.inputs),
                outputs=tuple(tensors[i] for i in one.outputs),
                options=vars(options) if options is not None else {},
            )
            for one, options in zip(
                graph.operators, (o.builtinOptions for o in written.operators or ()), strict=True
            )
        ),
        inputs=tuple(tensors[index] for index in graph.inputs),
        outputs=tuple(tensors[index] for index in graph.outputs),
    )


def _content(buffer: structure.Buffer, file: memoryview) -> NDArray[np.uint8] | None:
    """Return what a buffer holds, in the flatbuffer or behind it; None: nothing."""
    place = buffer.outside or buffer.inside
    if place is None or not place.size_bytes:
        return None
    return np.frombuffer(file, np.uint8, place.size_bytes, place.at)


def _tensor(tensor: structure.Tensor, data: NDArray[np.uint8] | None) -> Tensor:
    known = tensor.type < len(ELEMENT_TYPES)
    quantised = tensor.quantization
    return Tensor(
        name=tensor.name,
        kind=ELEMENT_TYPES[tensor.type].name.lower() if known else f"type {tensor.type}",
        shape=tensor.shape,
        scales=quantised.scales if quantised else (),
        zero_points=quantised.zero_points if quantised else (),
        data=data,
    )
