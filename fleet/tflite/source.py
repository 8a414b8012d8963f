"""Read a TFLite model from outside: its structure by our own reader, its objects by LiteRT's API.

Constants stay views of the mapped file, those that newer writers keep behind the flatbuffer too.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fleet import digests
from fleet.errors import ModelChangedError
from fleet.tflite import cuttable
from fleet.tflite.schema import schema
from wire.manifest import ModelRef
from wire.model.errors import ModelMalformedError
from wire.model.files import map_model, opened_model
from wire.model.tflite_scan import scan_tflite
from wire.tflite import structure
from wire.tflite.errors import FlatbufferError
from wire.tflite.structure import FIRST_OUTSIDE, Graph, Tensor


@dataclass(frozen=True, slots=True)
class Source:
    """A model as it is cut: one graph without state."""

    model: Any
    """A `ModelT`: what is written into segments."""
    structure: structure.Model
    names: tuple[str, ...]
    """Of each tensor: its own, made unique."""
    ref: ModelRef

    @property
    def graph(self) -> Graph:
        """Its one graph."""
        return self.structure.graphs[0]

    @property
    def renamed(self) -> int:
        """How many tensors had no name, or one that another has too."""
        return sum(
            tensor.name != name for tensor, name in zip(self.graph.tensors, self.names, strict=True)
        )

    @property
    def names_ends(self) -> bool:
        """Whether the file itself gives each of its inputs, and of its outputs, another name."""
        ends = (self.graph.inputs, self.graph.outputs)
        own = [[self.graph.tensors[index].name for index in side] for side in ends]
        return all(
            len(set(names)) == len(names) and names == [self.names[index] for index in side]
            for names, side in zip(own, ends, strict=True)
        )

    def data(self, tensor: int) -> Any | None:
        """Return a constant's bytes as an array; None: the tensor is no constant."""
        found = self.model.buffers[self.graph.tensors[tensor].buffer].data
        return found if found is not None and len(found) else None

    def kind(self, operator: int) -> str:
        """Return what an operator is, such as ``CONV_2D``."""
        return self.structure.codes[self.graph.operators[operator].code].name

    def has_shape(self, tensor: int) -> bool:
        """Whether the file says what shape a tensor has: none is that of a scalar, or unknown."""
        found = self.model.subgraphs[0].tensors[tensor]
        shape = self.graph.tensors[tensor].shape
        return bool(shape or found.hasRank) or self.data(tensor) is not None


def identify(path: Path) -> ModelRef:
    """Return the name and the digest of the model at ``path``.

    Raises:
        ModelError: No such file, no model, or one that the scan refuses (``model.*``).
        NotCuttableError: It holds what cannot be parted.
    """
    return _identified(path, memoryview(map_model(path)))


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Give the model at ``path``.

    Raises:
        ModelError: No such file, no model, or one that the scan refuses (``model.*``).
        NotCuttableError: It holds what cannot be parted.
        SchemaMissingError: What writes it is not installed.
        ModelChangedError: When the block ends: somebody wrote to the file meanwhile.
    """
    with opened_model(path) as file:
        before = _stamp(file)
        data = memoryview(map_model(path))
        yield _read(data, _identified(path, data))
        if _stamp(file) != before:
            raise ModelChangedError(path.name, "")


def _identified(path: Path, data: memoryview) -> ModelRef:
    cuttable.check(_structure(data, path.name), path.name)
    scan_tflite(data, source=path.name)
    file = digests.file(path)
    return ModelRef(name=path.name, sha256=file.sha256, size_bytes=file.size_bytes)


def _structure(data: memoryview, source: str) -> structure.Model:
    try:
        return structure.read(data)
    except FlatbufferError as error:
        raise ModelMalformedError(source, error.place, error.problem) from error


def _read(data: memoryview, ref: ModelRef) -> Source:
    found = _structure(data, ref.name)
    model = schema().ModelT.InitFromObj(schema().Model.GetRootAs(data, 0))
    for buffer in model.buffers:
        if buffer.offset >= FIRST_OUTSIDE:
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    for operator in model.subgraphs[0].operators or ():
        if operator.largeCustomOptionsOffset >= FIRST_OUTSIDE:
            at, size = operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize
            operator.customOptions = np.frombuffer(data, np.uint8, size, at)
            operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0
    graph = found.graphs[0]
    return Source(model, found, _unique(graph.tensors, (*graph.inputs, *graph.outputs)), ref)


def _stamp(file: int) -> tuple[int, int]:
    found = os.fstat(file)
    return found.st_size, found.st_mtime_ns


def _unique(tensors: Sequence[Tensor], first: Sequence[int]) -> tuple[str, ...]:
    """Return the tensors' names, those changed that are empty or repeated.

    Where a name is repeated, inputs and outputs are the ``first`` to keep it.
    """
    own = [tensor.name for tensor in tensors]
    taken = set(own)
    found: dict[int, str] = {}
    given: set[str] = set()
    for index in dict.fromkeys([*(i for i in first if i >= 0), *range(len(own))]):
        base, number = own[index] or f"tensor_{index}", 1
        name = base
        while name in given or (name in taken and name != own[index]):
            number += 1
            name = f"{base}_{number}"
        found[index] = name
        given.add(name)
    return tuple(found[index] for index in range(len(own)))
