"""Model formats; one file each, named by the suffix of the files that it reads.

To add one: write ``fleet/formats/<suffix>.py`` with a class that fits ``ModelFormat`` and
``PLUGIN = ThatClass``. It cuts a model and writes the segments; names, manifest and report are
made for it by ``fleet.split``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from wire import plugins
from wire.manifest import ModelRef, Segment
from wire.tensors import TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRequest:
    """Where to cut a model, and what to run it with."""

    stages: int = 1
    """How many segments; ignored where ``at`` says it."""
    at: tuple[str, ...] = ()
    """Tensors to cut at, one cut an item; several of one cut are joined by ``+``."""
    dims: Mapping[str, int] = field(default_factory=dict)
    """Sizes for dynamic dimensions, by name or by place such as ``x[2]``."""
    example: Path | None = None
    """An ``.npz`` with one array for each input, instead of made-up ones."""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CutModel:
    """What a format made of a model: segments on disk, and what belongs into the manifest."""

    model: ModelRef
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    segments: tuple[Segment, ...]
    crossings: tuple[tuple[TensorSpec, ...], ...]
    """What each cut carries, in order; one less than segments."""
    crossing_bytes: tuple[int, ...]
    """What one frame carries across each cut, for the sizes of the sample."""
    costs: tuple[int, ...]
    """Multiply-accumulates of each segment, for the sizes of the sample."""
    cut_space: str = "order"
    """Which cuts were searched; see ``Manifest``."""
    notes: tuple[str, ...] = ()
    """What a reader of the report should know."""


class ModelFormat(Protocol):
    """Reads one format of models."""

    def identify(self, model: Path) -> ModelRef:
        """Return the name and the digest of a model: of its file and all that it refers to.

        Raises:
            CodedError: The model cannot be read.
        """
        ...

    def cut(self, model: Path, request: CutRequest, folder: Path) -> CutModel:
        """Cut ``model`` and write each segment to ``folder/<segment's name>/``.

        Segments are named by ``segment_names``. A folder holds the segment's files and its
        golden frame, and nothing else.

        Raises:
            CodedError: The model cannot be read, run or cut so; the folder's content is void.
        """
        ...


def segment_names(count: int) -> tuple[str, ...]:
    """Return ids for ``count`` segments that sort in their order, such as ``00-head``."""
    if count == 1:
        return ("00-whole",)
    digits = max(2, len(str(count - 1)))
    parts = ["head", *["body"] * (count - 2), "tail"]
    return tuple(f"{number:0{digits}d}-{part}" for number, part in enumerate(parts))


def known() -> tuple[str, ...]:
    """Return the suffixes there is a format for."""
    return plugins.names(__name__)
