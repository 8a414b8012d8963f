"""Read a TFLite model from outside: mapped, scanned, in the form of LiteRT's object API.

Constants stay views of the mapped file, those that newer writers keep behind the flatbuffer too.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from fleet import digests
from fleet.errors import ModelChangedError
from fleet.tflite.errors import NotCuttableError
from fleet.tflite.schema import IDENTIFIER, kind_of, schema, text
from wire.manifest import ModelRef
from wire.model.errors import ModelMalformedError
from wire.model.files import map_model, scan_tflite_source

COMPILED: Final = "edgetpu-custom-op"
"""What Coral's compiler makes of the operators that it takes."""
STATE: Final = frozenset(
    {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE", "HASHTABLE"}
    | {"HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE"}
)
CONTROL: Final = frozenset({"IF", "WHILE", "CALL", "STABLEHLO_WHILE", "STABLEHLO_CASE"})
_INLINE: Final = 1
"""A buffer's offset beyond this means that its bytes are outside the flatbuffer."""
_BROKEN: Final = (
    struct.error, IndexError, ValueError, TypeError, AttributeError, OverflowError, MemoryError,
)  # fmt: skip
"""What generated code raises for bytes that are no such file."""


@dataclass(frozen=True, slots=True)
class Source:
    """A model as it is cut: one graph without state."""

    model: Any
    """A `ModelT`."""
    graph: Any
    """Its one `SubGraphT`."""
    kinds: tuple[str, ...]
    """Of each operator."""
    names: tuple[str, ...]
    """Of each tensor: its own, made unique."""
    renamed: int
    """How many tensors had no name, or one that another has too."""
    ref: ModelRef

    def data(self, tensor: int) -> Any | None:
        """Return a constant's bytes as an array; None: the tensor is no constant."""
        return self.model.buffers[self.graph.tensors[tensor].buffer].data


def identify(path: Path) -> ModelRef:
    """Return the name and the digest of the model at ``path``.

    Raises:
        ModelError: No such file, no model, or one that the scan refuses (``model.*``).
    """
    scan_tflite_source(path)
    file = digests.file(path)
    return ModelRef(name=path.name, sha256=file.sha256, size_bytes=file.size_bytes)


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Give the model at ``path``.

    Raises:
        ModelError: No such file, no model, or one that the scan refuses (``model.*``).
        NotCuttableError: It holds what cannot be parted.
        SchemaMissingError: What reads it is not installed.
        ModelChangedError: When the block ends: somebody wrote to the file meanwhile.
    """
    before = path.stat() if path.exists() else None
    ref = identify(path)
    yield read(memoryview(map_model(path)), ref)
    if before is None or _stamp(path.stat()) != _stamp(before):
        raise ModelChangedError(path.name, "")


def read(data: memoryview, ref: ModelRef) -> Source:
    """Return the model whose file has the bytes ``data``; they must outlive it.

    Raises:
        ModelMalformedError: It is none.
        NotCuttableError: It holds what cannot be parted.
    """
    if bytes(data[4:8]) != IDENTIFIER:
        raise ModelMalformedError(ref.name, "", "is no TFLite file")
    try:
        model = schema().ModelT.InitFromObj(schema().Model.GetRootAs(data, 0))
        _take_in(model, data, ref.name)
        kinds = {
            id(graph): tuple(kind_of(model.operatorCodes[op.opcodeIndex]) for op in graph.operators)
            for graph in _completed(model)
        }
    except _BROKEN as error:
        raise ModelMalformedError(ref.name, "", f"cannot be read ({error})") from error
    every = [kind for found in kinds.values() for kind in found]
    _check(model, every, ref.name)
    graph = model.subgraphs[0]
    names = _unique([text(tensor.name) for tensor in graph.tensors], _ends(graph))
    renamed = sum(text(t.name) != name for t, name in zip(graph.tensors, names, strict=True))
    return Source(model, graph, kinds[id(graph)], names, renamed, ref)


def indices(found: Any) -> list[int]:
    """Return a vector of tensor indices as numbers; what is left out is -1."""
    return [] if found is None else [int(index) for index in found]


def _stamp(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


def _completed(model: Any) -> list[Any]:
    """Fill in what a file may leave out, and return the graphs."""
    model.subgraphs = model.subgraphs or []
    model.buffers = model.buffers or []
    for graph in model.subgraphs:
        graph.tensors, graph.operators = graph.tensors or [], graph.operators or []
    return list(model.subgraphs)


def _take_in(model: Any, data: memoryview, source: str) -> None:
    """Make what lies behind the flatbuffer a part of the model, without copying it."""
    if model.externalBuffers:
        problem = "keeps weights in other files"
        raise NotCuttableError(source, problem, "export it as one file")
    for buffer in model.buffers or ():
        if buffer.offset > _INLINE:
            buffer.data = _outside(data, buffer.offset, buffer.size, source)
            buffer.offset = buffer.size = 0
    for graph in model.subgraphs or ():
        for operator in graph.operators or ():
            if operator.largeCustomOptionsOffset > _INLINE:
                at, size = operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize
                operator.customOptions = _outside(data, at, size, source)
                operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0


def _outside(data: memoryview, offset: int, size: int, source: str) -> Any:
    if offset + size > len(data):
        place = f"bytes {offset} to {offset + size}"
        raise ModelMalformedError(source, place, "lie beyond the file's end")
    return np.frombuffer(data, np.uint8, size, offset)


def _check(model: Any, kinds: list[str], source: str) -> None:
    """Refuse by name what cannot be parted."""
    if COMPILED in kinds:
        problem = f"is compiled for a Coral Edge TPU already ({COMPILED}), one operator in all"
        advice = "cut the model that was compiled, with --for edgetpu; each segment is compiled"
        raise NotCuttableError(source, problem, advice)
    if not model.subgraphs:
        raise ModelMalformedError(source, "", "holds no graph")
    state = [kind for kind in dict.fromkeys(kinds) if kind in STATE]
    if state:
        named = ", ".join(f"{kind} ({kinds.count(kind)})" for kind in state)
        problem = f"keeps state from one frame to the next, by {named}"
        raise NotCuttableError(source, problem, "run it whole, on one device")
    variables = [text(t.name) for g in model.subgraphs for t in g.tensors if t.isVariable]
    if variables:
        graph = model.subgraphs[0]
        keepers = _readers(model, graph)
        by = f" of {', '.join(keepers)}" if keepers else ""
        problem = f"keeps state from one frame to the next, in variables{by} ({variables[0]!r:.80}"
        problem += f" and {len(variables) - 1} more)" if len(variables) > 1 else ")"
        raise NotCuttableError(source, problem, "run it whole, on one device")
    control = [kind for kind in dict.fromkeys(kinds) if kind in CONTROL]
    if control:
        problem = f"has control flow ({', '.join(control)}), whose branches are graphs of their own"
        raise NotCuttableError(source, problem, "export it without, or run it whole")
    if len(model.subgraphs) > 1:
        names = ", ".join(f"{text(graph.name)!r:.80}" for graph in model.subgraphs[:3])
        problem = f"holds {len(model.subgraphs)} graphs ({names}), and one can be cut"
        raise NotCuttableError(source, problem, "export each as a model of its own")


def _readers(model: Any, graph: Any) -> list[str]:
    """Return the kinds of operators that read variables."""
    found = {
        kind_of(model.operatorCodes[operator.opcodeIndex])
        for operator in graph.operators
        for index in indices(operator.inputs)
        if index >= 0 and graph.tensors[index].isVariable
    }
    return sorted(found)


def _ends(graph: Any) -> list[int]:
    return [*indices(graph.inputs), *indices(graph.outputs)]


def _unique(names: list[str], first: list[int]) -> tuple[str, ...]:
    """Return ``names``, those that are empty or repeated changed; ``first`` ones keep theirs."""
    order = list(dict.fromkeys([*first, *range(len(names))]))
    taken = set(names)
    given: dict[int, str] = {}
    used: set[str] = set()
    for index in order:
        name = names[index] or f"tensor_{index}"
        number = 1
        while name in used or (name != names[index] and name in taken):
            number += 1
            name = f"{names[index] or f'tensor_{index}'}_{number}"
        given[index] = name
        used.add(name)
    return tuple(given[index] for index in range(len(names)))
