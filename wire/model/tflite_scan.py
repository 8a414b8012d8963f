"""Decide whether a TFLite file may be given to a runtime: before one is even imported.

LiteRT does not verify a file that it opens: an offset, an index or a size in it can lead it outside
the file or outside a tensor. `wire.tflite.structure` proves that every table lies inside the file;
here follows what they mean: operators, their tensors (`wire.model.tflite_tensors`), the order of
the graph (`wire.model.tflite_graph`), and what it all takes in memory.

One graph alone is allowed: others are only run by operators that are refused.
Pure: no I/O, and weights are never read, so ``data`` may be a mapped file. An error keeps views of
``data`` in its traceback; drop it before closing the map.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from wire.buffers import Buffer
from wire.model import tflite_graph, tflite_tensors
from wire.model import tflite_operators as operator_rules
from wire.model.errors import (
    ExternalDataError,
    ModelError,
    ModelMalformedError,
    OperatorRefusedError,
)
from wire.model.structure import shown
from wire.model.tflite_limits import DEFAULT_LIMITS, Limits
from wire.tflite import structure
from wire.tflite.errors import FlatbufferError
from wire.tflite.operators import EDGETPU_CUSTOM_OP
from wire.tflite.schema import VERSION
from wire.tflite.structure import Model

WITHOUT_IT: Final = "export the model without it"


@dataclass(frozen=True, slots=True)
class TfliteScanned:
    """What a TFLite model that passed consists of."""

    operators: Mapping[str, int]
    """How many there are of each: by ``CONV_2D`` and the like, custom ones by their own names."""
    weight_bytes: int
    """Sum of all constants."""
    activation_bytes: int
    """What is alive at once of all other tensors, at most, by the shapes in the file."""
    inputs: tuple[str, ...]
    """Names of the graph's inputs, in the file's order."""
    outputs: tuple[str, ...]
    """Names of the graph's outputs, in the file's order."""

    @property
    def is_compiled_for_edgetpu(self) -> bool:
        """Whether only an Edge TPU can run a part of it."""
        return EDGETPU_CUSTOM_OP in self.operators


def scan_tflite(data: Buffer, *, source: str, limits: Limits = DEFAULT_LIMITS) -> TfliteScanned:
    """Return what the TFLite model in ``data`` consists of, if it may be run.

    Args:
        data: The whole file, contiguous.
        source: The file's name, for messages.
        limits: What the model may ask for.

    Raises:
        ModelMalformedError: Not one whole TFLite model, or it contradicts itself.
        ExternalDataError: It refers to other files.
        OperatorRefusedError: An operator is of a kind that is not allowed.
        ModelTooLargeError: It asks for more than ``limits``.
        ModelError: It has what a segment cannot have: state, strings, sparse tensors.
    """
    view = memoryview(data).cast("B")
    return _scanned(_read(view, source, limits), view, source, limits)


def tflite_operators(data: Buffer, *, source: str) -> Mapping[str, int]:
    """Return how many operators of each name a TFLite file has, whether they are allowed or not.

    Raises:
        ModelMalformedError: Not one whole TFLite file.
    """
    return _counted(_read(memoryview(data).cast("B"), source, DEFAULT_LIMITS))


def _read(data: memoryview, source: str, limits: Limits) -> Model:
    if not data:
        raise ModelMalformedError(source, "", "the file is empty")
    try:
        return structure.read(data, max_parts=limits.max_parts)
    except FlatbufferError as error:
        raise ModelMalformedError(source, error.place, error.problem) from error


def _counted(model: Model) -> Mapping[str, int]:
    used = (operator.code for graph in model.graphs for operator in graph.operators)
    names = [code.name for code in model.codes]
    return MappingProxyType(dict(Counter(names[code] for code in used if code < len(names))))


def _scanned(model: Model, data: memoryview, source: str, limits: Limits) -> TfliteScanned:
    if model.version != VERSION:
        raise ModelMalformedError(
            source, "", f"the schema's version is {model.version} (expected {VERSION})"
        )
    if model.has_external_buffers:
        raise ExternalDataError(
            source, "", "weights are in other files", advice="export the model as one file"
        )
    _check_operators(model, source)
    if len(model.graphs) != 1:
        raise ModelError(source, "", f"it has {len(model.graphs)} graphs (expected 1)")
    _check_names(model, source)
    tensors = tflite_tensors.checked(model, source, file_bytes=len(data), limits=limits)
    graph = model.graphs[0]
    activation_bytes = tflite_graph.checked(model, tensors, data, source, limits=limits)
    return TfliteScanned(
        operators=_counted(model),
        weight_bytes=sum({t.buffer: t.size_bytes for t in tensors if t.is_constant}.values()),
        activation_bytes=activation_bytes,
        inputs=tuple(graph.tensors[index].name for index in graph.inputs),
        outputs=tuple(graph.tensors[index].name for index in graph.outputs),
    )


def _check_operators(model: Model, source: str) -> None:
    """Check each operator's kind, also of those that nothing uses."""
    for index, code in enumerate(model.codes):
        wrong = operator_rules.malformed(code)
        if wrong:
            raise ModelMalformedError(source, f"operator code #{index} ({code.name:.80})", wrong)
    places = [
        (f"operator #{index}", operator.code)
        for graph in model.graphs
        for index, operator in enumerate(graph.operators)
    ]
    places += [(f"operator code #{index}", index) for index in range(len(model.codes))]
    for place, index in places:
        if index >= len(model.codes):
            raise ModelMalformedError(
                source, place, f"its operator code is {index} (there are {len(model.codes)})"
            )
        code = model.codes[index]
        refused = operator_rules.problem(code)
        if refused:
            raise OperatorRefusedError(
                source, f"{place} ({code.name:.80})", refused, advice=WITHOUT_IT
            )


def _check_names(model: Model, source: str) -> None:
    """Check what signatures and metadata stand for."""
    tensors = len(model.graphs[0].tensors)
    for signature in model.signatures:
        place = f"signature {shown(signature.key)}"
        if signature.graph:
            raise ModelMalformedError(source, place, f"it is of graph {signature.graph} (of 1)")
        for name, index in (*signature.inputs, *signature.outputs):
            if index >= tensors:
                raise ModelMalformedError(
                    source, place, f"{shown(name)} is tensor {index} (there are {tensors})"
                )
    named = [(f"metadata {shown(name)}", index) for name, index in model.metadata]
    named += [("metadata_buffer", index) for index in model.metadata_buffers]
    for place, index in named:
        if not 0 <= index < len(model.buffers):
            raise ModelMalformedError(
                source, place, f"it is buffer {index} (there are {len(model.buffers)})"
            )
