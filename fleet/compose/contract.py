"""What a stage promises of a tensor at its border, and the steps from one promise to another.

Pure.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from wire.tensors import TensorSpec, describe

FLOAT16: Final = 10
FLOAT32: Final = 1
FLOAT64: Final = 11
FLOATS: Final = (FLOAT16, FLOAT32, FLOAT64)
"""The narrowest first: each holds all that those before it hold."""
QUANTISED: Final = (2, 3, 4, 5, 6)
"""uint8, int8, uint16, int16, int32: the types that integers stand for numbers in."""

FIRST: Final = ("NCW", "NCHW", "NCDHW")
LAST: Final = ("NWC", "NHWC", "NDHWC")
"""Layouts with the channels as the first dimension of a frame, and as the last."""
ONNX: Final = "onnx"
TFLITE: Final = "tflite"

Size = int | str
PIPELINE: Final = -1
"""As a stage: the pipeline itself, whose inputs come from a client."""
REFERENCE: Final = -2
"""As a stage: the model that outputs are compared with."""


class Quantisation(msgspec.Struct, frozen=True, kw_only=True):
    """How integers stand for numbers: ``number = scale * (integer - zero_point)``."""

    scale: float
    zero_point: int


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor as a stage gives or takes it."""

    stage: int
    """Or ``PIPELINE``, or ``REFERENCE``."""
    format: str
    name: str
    dtype: int
    """By ONNX's numbers."""
    shape: tuple[Size, ...]
    """A dimension is a size, a name, or empty where nothing is known of it."""
    layout: str | None = None
    """None: nobody said it."""
    quantisation: Quantisation | None = None
    per_channel: bool = False
    """Whether each channel has a scale of its own; then ``quantisation`` is None."""

    def __str__(self) -> str:
        """Return all of it, as people write it."""
        places = {PIPELINE: "the pipeline's input", REFERENCE: "the reference's"}
        place = places.get(self.stage, f"stage {self.stage} ({self.format})")
        is_open = self.layout is None and len(self.shape) > 2
        return f"{place} {self.name!r:.80}: {self.kind}{', layout not said' * is_open}"

    @property
    def kind(self) -> str:
        """What its elements are and how they lie, as people write it."""
        said = [describe(self.dtype, [size if size != "" else "?" for size in self.shape])]
        if self.layout:
            said.append(self.layout)
        if self.per_channel:
            said.append("quantised per channel")
        elif self.quantisation:
            scale, zero = self.quantisation.scale, self.quantisation.zero_point
            said.append(f"scale {scale:.6g}, zero point {zero}")
        elif self.dtype in QUANTISED:
            said.append("scale not known")
        return ", ".join(said)

    def named(self, name: str) -> "Contract":
        """Return the same under another name."""
        return replace(self, name=name)

    def at(self, stage: int) -> "Contract":
        """Return the same at another stage's border."""
        return replace(self, stage=stage)

    def laid_out(self, layout: str) -> "Contract":
        """Return the same with a layout."""
        return replace(self, layout=layout)

    def seen(self, dtype: int, shape: tuple[Size, ...]) -> "Contract":
        """Return the same as runs showed it."""
        return replace(self, dtype=dtype, shape=shape)

    @property
    def spec(self) -> TensorSpec:
        """The same for a manifest."""
        return TensorSpec(name=self.name, dtype=self.dtype, shape=self.shape, layout=self.layout)


class Transpose(msgspec.Struct, frozen=True, tag_field="kind", tag="transpose"):
    """Move dimensions: the result's ``i``-th is the ``order[i]``-th."""

    order: tuple[int, ...]


class Reshape(msgspec.Struct, frozen=True, tag_field="kind", tag="reshape"):
    """Add or leave out dimensions of size 1; at most one size is no number."""

    shape: tuple[Size, ...]


class Cast(msgspec.Struct, frozen=True, tag_field="kind", tag="cast"):
    """Change the type of floats."""

    dtype: int


class Quantize(msgspec.Struct, frozen=True, tag_field="kind", tag="quantize"):
    """Make integers of float32."""

    dtype: int
    to: Quantisation


class Dequantize(msgspec.Struct, frozen=True, tag_field="kind", tag="dequantize"):
    """Make float32 of integers."""

    of: Quantisation
    dtype: int
    """Of the integers."""


Step = Transpose | Reshape | Cast | Quantize | Dequantize


def after(contract: Contract, steps: Sequence[Step]) -> Contract:
    """Return what is promised of a tensor once ``steps`` were done to it."""
    for step in steps:
        contract = _after(contract, step)
    return contract


def _after(contract: Contract, step: Step) -> Contract:
    match step:
        case Transpose(order):
            return replace(
                contract,
                shape=tuple(contract.shape[axis] for axis in order),
                layout=_moved(contract.layout),
            )
        case Reshape(shape):
            return replace(contract, shape=shape, layout=None)
        case Cast(dtype):
            return replace(contract, dtype=dtype)
        case Quantize(dtype, to):
            return replace(contract, dtype=dtype, quantisation=to)
        case Dequantize():
            return replace(contract, dtype=FLOAT32, quantisation=None)


def _moved(layout: str | None) -> str | None:
    """Return the layout that a transposition makes of ``layout``."""
    others = {**dict(zip(FIRST, LAST, strict=True)), **dict(zip(LAST, FIRST, strict=True))}
    return others.get(layout) if layout else None


def text(step: Step) -> str:
    """Return a step as people read it."""
    match step:
        case Transpose(order):
            return f"transpose {','.join(map(str, order))}"
        case Reshape(shape):
            return f"reshape to [{','.join(str(size) or '?' for size in shape)}]"
        case Cast(dtype):
            return f"cast to {describe(dtype, ()).removesuffix('[]')}"
        case Quantize(dtype, to):
            kind = describe(dtype, ()).removesuffix("[]")
            return f"quantize to {kind} (scale {to.scale:.6g}, zero point {to.zero_point})"
        case Dequantize(of, _):
            return f"dequantize (scale {of.scale:.6g}, zero point {of.zero_point})"
