"""Decide whether a model file may be given to a runtime: before one is even imported.

A model file is an attack until shown otherwise. The scan walks everything in it that a runtime
would follow: initializers dense and sparse, every attribute of every node, graphs within graphs,
functions, training graphs. It refuses references that leave the model's own files, operators that
bring foreign code or files, sizes that are a bomb, and whatever is not plainly one ONNX model.

Pure: no I/O, and the elements of large tensors are never read, so ``data`` may be a mapped file.
An error keeps views of ``data`` in its traceback; drop it before closing the map.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from wire.buffers import Buffer
from wire.model import structure as onnx_walk
from wire.model.errors import ModelMalformedError, ProtobufError
from wire.model.external_data import Policy, Reference
from wire.model.operator_domains import ALLOWED_DOMAINS
from wire.model.schema import GraphField, ModelField
from wire.model.walk import Limits, Walk

__all__ = ["ALLOWED_DOMAINS", "DEFAULT_LIMITS", "Limits", "Policy", "Reference", "Scanned", "scan"]

DEFAULT_LIMITS: Final = Limits()
_OTHER_FORMATS: Final = {b"ORTM": "onnxruntime's own format", b"TFL3": "TFLite"}
"""By bytes 4 to 8. Runtimes look there first, so a file must not be two things at once."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a model that passed consists of."""

    operators: int
    """Nodes in the file, those of inner graphs and functions included."""
    domains: frozenset[str]
    """Domains of these nodes; the empty one is ONNX's own."""
    opsets: Mapping[str, int]
    """Versions that the file says it uses, by domain."""
    references: tuple[Reference, ...]
    """Ranges of files beside the model; `external_data.check_file` checks such a file."""
    weight_bytes: int
    """Sum of all tensors' elements, in the file or beside it."""
    inputs: tuple[str, ...]
    """Inputs of the graph, in the file's order."""
    outputs: tuple[str, ...]
    """Outputs of the graph, in the file's order."""

    @property
    def needed_bytes(self) -> Mapping[str, int]:
        """How long each referenced file must be, in bytes, by location."""
        needed: dict[str, int] = {}
        for found in self.references:
            end = found.offset_bytes + found.size_bytes
            needed[found.location] = max(end, needed.get(found.location, 0))
        return needed


def scan(
    data: Buffer,
    *,
    source: str,
    policy: Policy,
    weights_bytes: int | None = None,
    domains: Collection[str] = ALLOWED_DOMAINS,
    limits: Limits = DEFAULT_LIMITS,
) -> Scanned:
    """Return what the ONNX model in ``data`` consists of, if it may be run.

    Args:
        data: The whole file, contiguous.
        source: The file's name, for messages.
        policy: Where the model comes from.
        weights_bytes: The real size of ``weights.bin``; None when there is none.
        domains: Whose operators are allowed, beside those of the model's own functions.
        limits: What the model may ask for.

    Raises:
        ModelMalformedError: Not one whole ONNX model, or it contradicts itself.
        ExternalDataError: It refers to bytes that it may not use.
        OperatorRefusedError: An operator is of a domain or kind that is not allowed.
        ModelTooLargeError: It asks for more than ``limits``.
    """
    walk = Walk(source, policy, weights_bytes=weights_bytes, domains=domains, limits=limits)
    try:
        return _scanned(memoryview(data).cast("B"), source, walk)
    except ProtobufError as error:
        raise ModelMalformedError(source, walk.place, error.problem) from error


def _scanned(data: memoryview, source: str, walk: Walk) -> Scanned:
    if not len(data):
        raise ModelMalformedError(source, "", "the file is empty")
    other = _OTHER_FORMATS.get(bytes(data[4:8]))
    if other:
        raise ModelMalformedError(source, "", f"the file is marked as {other} (expected ONNX)")
    fields = onnx_walk.model(data, walk.budget)
    opsets = dict(onnx_walk.opset(v, walk.budget) for v in fields.views(ModelField.OPSET_IMPORT))
    graph = walk.model(fields)
    inputs, outputs = (
        tuple(onnx_walk.value_name(view, walk.budget) for view in graph.views(which))
        for which in (GraphField.INPUT, GraphField.OUTPUT)
    )
    return Scanned(
        operators=walk.operators,
        domains=frozenset(walk.used_domains),
        opsets=MappingProxyType(opsets),
        references=tuple(walk.weights.references),
        weight_bytes=walk.weights.size_bytes,
        inputs=inputs,
        outputs=outputs,
    )
