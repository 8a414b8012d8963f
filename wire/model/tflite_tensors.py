"""The tensors of a TFLite model: each fits its type, its shape, its buffer and its scales.

LiteRT compares a constant's size with its shape too, but with sums that overflow; scales that do
not fit make its kernels end the process.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from wire.model.element_data import product
from wire.model.errors import ExternalDataError, ModelError, ModelMalformedError, ModelTooLargeError
from wire.model.structure import shown
from wire.model.tflite_limits import Limits
from wire.tflite.element_types import ELEMENT_TYPES, ElementType
from wire.tflite.flatbuffer import Span
from wire.tflite.structure import Buffer, Model, Quantization, Tensor

MAX_RANK: Final = 8
_DETAILS: Final = ("", "a custom scheme", "scales of blocks", "scales of several dimensions")
_ALIGNED_BYTES: Final = 4
"""No kernel needs more of the address of an element."""


class Checked(NamedTuple):
    """What is known of a tensor that passed."""

    place: str
    type: ElementType
    shape: tuple[int, ...]
    elements: int
    size_bytes: int
    buffer: int
    data: Span | None
    """Its bytes in the file; None: it is computed."""
    is_scaled: bool
    """Whether it stands for real numbers, by scales."""

    @property
    def is_constant(self) -> bool:
        """Whether its elements are in the file; there may be none."""
        return self.data is not None or not self.size_bytes


def checked(model: Model, source: str, *, file_bytes: int, limits: Limits) -> Sequence[Checked]:
    """Check the tensors of the model's one graph, and all buffers.

    Raises:
        ModelMalformedError: One contradicts itself or the file.
        ExternalDataError: Its elements are in another file.
        ModelTooLargeError: It is larger than ``limits`` allow.
        ModelError: It is of a kind that a segment cannot have.
    """
    spans = [
        _data(buffer, source, f"buffer #{index}", file_bytes)
        for index, buffer in enumerate(model.buffers)
    ]
    return [
        _tensor(tensor, source, f"tensor #{index} {shown(tensor.name)}", spans, limits)
        for index, tensor in enumerate(model.graphs[0].tensors)
    ]


def _data(buffer: Buffer, source: str, place: str, file_bytes: int) -> Span | None:
    inside, outside = buffer
    if inside and inside.size_bytes and outside:
        raise ModelMalformedError(source, place, "its bytes stand in two places")
    if outside and outside.end > file_bytes:
        raise ModelMalformedError(
            source,
            place,
            f"bytes {outside.at} to {outside.end} are outside the file ({file_bytes} bytes)",
        )
    found = outside or inside
    return found if found and found.size_bytes else None


def _tensor(
    tensor: Tensor, source: str, place: str, spans: Sequence[Span | None], limits: Limits
) -> Checked:
    if not 0 <= tensor.type < len(ELEMENT_TYPES):
        raise ModelMalformedError(source, place, f"element type {tensor.type} is unknown")
    kind = ELEMENT_TYPES[tensor.type]
    refused = _unsupported(tensor, kind)
    if refused:
        raise ModelError(source, place, refused)
    if tensor.external_buffer:
        raise ExternalDataError(
            source, place, "its elements are in another file", advice="export the model as one file"
        )
    wrong = _shape_problem(tensor)
    if wrong:
        raise ModelMalformedError(source, place, wrong)
    elements = int(product(tensor.shape))
    size_bytes = (elements * kind.bits + 7) // 8
    if size_bytes > limits.max_tensor_bytes:
        raise ModelTooLargeError(
            source,
            place,
            f"shape {list(tensor.shape)} takes {size_bytes} bytes"
            f" (at most {limits.max_tensor_bytes})",
        )
    if tensor.buffer >= len(spans):
        raise ModelMalformedError(
            source, place, f"its buffer is {tensor.buffer} (there are {len(spans)})"
        )
    data = spans[tensor.buffer]
    wrong = _data_problem(tensor, kind, data, size_bytes) or (
        _quantization_problem(tensor.quantization, kind, tensor.shape)
        if tensor.quantization
        else ""
    )
    if wrong:
        raise ModelMalformedError(source, place, wrong)
    scaled = bool(tensor.quantization and tensor.quantization.scales)
    return Checked(place, kind, tensor.shape, elements, size_bytes, tensor.buffer, data, scaled)


def _unsupported(tensor: Tensor, kind: ElementType) -> str:
    if not kind.bits:
        return f"tensors of {kind.name} are not supported"
    if tensor.is_variable:
        return "it keeps state between frames"
    if tensor.is_sparse:
        return "sparse tensors are not supported"
    if tensor.is_variant:
        return "variants are not supported"
    details = tensor.quantization.details if tensor.quantization else 0
    if details:
        name = _DETAILS[details] if details < len(_DETAILS) else f"scheme {details}"
        return f"quantisation by {name} is not supported"
    return ""


def _shape_problem(tensor: Tensor) -> str:
    shape, signature = tensor.shape, tensor.signature
    if len(shape) > MAX_RANK:
        return f"it has {len(shape)} dimensions (at most {MAX_RANK})"
    if any(size < 0 for size in shape):
        return f"a dimension is negative ({list(shape)})"
    if not signature:
        return ""
    fits = len(signature) == len(shape) and all(
        claim in {-1, size} for claim, size in zip(signature, shape, strict=True)
    )
    return "" if fits else f"shape {list(shape)} does not fit its signature {list(signature)[:8]}"


def _data_problem(tensor: Tensor, kind: ElementType, data: Span | None, size_bytes: int) -> str:
    if data is None:
        return ""
    if data.size_bytes != size_bytes:
        return (
            f"{kind.name} of shape {list(tensor.shape)} needs {size_bytes} bytes"
            f" (its buffer has {data.size_bytes})"
        )
    if data.at % max(1, min(kind.bits // 8, _ALIGNED_BYTES)):
        return f"its elements at byte {data.at} are not aligned"
    return ""


def _quantization_problem(found: Quantization, kind: ElementType, shape: tuple[int, ...]) -> str:
    """Return how scales and zero points do not fit. Source: LiteRT's interpreter_builder.cc."""
    scales, zero_points, dimension, _ = found
    if not scales:
        return ""
    if len(zero_points) != len(scales):
        return f"it has {len(scales)} scales and {len(zero_points)} zero points"
    if dimension < 0 or (shape and dimension >= len(shape)):
        return f"its scales are along dimension {dimension} (it has {len(shape)})"
    if len(scales) != 1 and (not shape or len(scales) != shape[dimension]):
        return f"shape {list(shape)} does not fit {len(scales)} scales along {dimension}"
    if kind.smallest == kind.largest:
        return ""  # real numbers, which nobody scales
    if not all(0 < scale < math.inf for scale in scales):
        return "a scale is not positive"
    if not all(kind.smallest <= zero <= kind.largest for zero in zero_points):
        return f"a zero point is outside {kind.name}"
    return ""
