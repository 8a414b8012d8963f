"""What is said of codecs: how far each moves the outputs, and what it saves on each edge."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How far outputs are from those of the same segments with raw edges, of all inputs."""

    max_abs: float
    """The largest difference of an element."""
    relative_l2: float
    """The largest of all outputs and inputs: |got - raw| / |raw|."""
    top1: float | None
    """The share of rows of scores that are largest in the same place; None: no output has any."""


class EdgeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a codec does on one edge."""

    edge: str
    """``entry``, or the stage that sends."""
    codec: str
    raw_bytes: float
    """Of the tensors of one frame, on average."""
    bytes: float
    """The same, coded."""
    travels_raw: tuple[str, ...]
    """Floats that the codec leaves as they are: it cannot hold them, or would not save anything."""
    alone: Figures
    """With every other edge raw."""


class CodecReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one choice of codecs does."""

    codec: str
    """As `paceline deploy --codec` takes it."""
    figures: Figures
    edges: tuple[EdgeReport, ...]
    """Those that have a codec."""
    broken: tuple[str, ...] = ()
    """What is beyond which bound; none: it is kept."""
    kept: tuple[str, ...] = ()
    """What is within which bound."""

    @property
    def worst(self) -> EdgeReport:
        """The edge that moves the outputs most when it is alone."""
        return max(self.edges, key=lambda edge: edge.alone.relative_l2)


class CodecsReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was tried, and with what."""

    pipeline: str
    digest: str
    """Of the manifest."""
    inputs: int
    made_up: bool
    """Whether the inputs are ours: such figures are weak evidence."""
    passes: bool
    """No choice breaks a bound."""
    codecs: tuple[CodecReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far outputs may be moved; None: as far as it goes."""

    max_abs: float | None = None
    max_relative_l2: float | None = None
    min_top1: float | None = None

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return self != Bounds()

    def broken(self, figures: Figures) -> tuple[str, ...]:
        """Return what is beyond which bound; what is no number is beyond any."""
        return tuple(text for text, is_kept in self._judged(figures) if not is_kept)

    def kept(self, figures: Figures) -> tuple[str, ...]:
        """Return what is within which bound."""
        return tuple(text for text, is_kept in self._judged(figures) if is_kept)

    def _judged(self, figures: Figures) -> Iterator[tuple[str, bool]]:
        """Yield each bound with the figure it is for, and whether that is within."""
        if self.max_relative_l2 is not None:
            text = f"relative L2 {figures.relative_l2:.3g} (at most {self.max_relative_l2:g})"
            yield text, figures.relative_l2 <= self.max_relative_l2
        if self.max_abs is not None:
            text = f"max abs {figures.max_abs:.3g} (at most {self.max_abs:g})"
            yield text, figures.max_abs <= self.max_abs
        if self.min_top1 is not None:
            top1 = "no scores" if figures.top1 is None else f"{figures.top1:.4g}"
            text = f"top-1 agreement {top1} (at least {self.min_top1:g})"
            yield text, (figures.top1 or 0.0) >= self.min_top1
