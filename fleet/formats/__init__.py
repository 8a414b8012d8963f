"""Model formats; one file each, named by the suffix of the files that it reads.

To add one: write ``fleet/formats/<suffix>.py`` with a class that fits ``ModelFormat`` and
``PLUGIN = ThatClass``. It cuts a model and writes the segments; names, manifest and report are
made for it by ``fleet.split``. Of a format of graphs, `fleet.model_graph.graph_format` does all but
the reading and writing.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

from fleet.chunks import Chunk
from fleet.edgetpu.report import EdgeTpuReport
from fleet.errors import UnknownFormatError
from wire import plugins
from wire.manifest import ModelRef, Segment
from wire.tensors import TensorSpec

if TYPE_CHECKING:
    from fleet.model_graph.open_model import OpenModel

Tell = Callable[[str], None]
"""Hears what is being done, for people who wait."""

RUNTIMES: Final[Mapping[str, str]] = MappingProxyType({"onnx": "onnx_cpu", "tflite": "tflite_cpu"})
"""The runtime that runs segments of each format on a processor."""

OPTIMISATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {"tflite": "TFLite: optimisations off are LiteRT's own kernels, on are XNNPACK's"}
)
"""What optimisations are in a format's runtime, for people who compare."""

UNTIMED: Final = (
    "the runtime tells no operator's time: what the whole takes was shared by multiply-accumulates"
)
"""What people are told where that is so."""

AUTO: Final = 0
"""Stages as many as are worth it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRequest:
    """Where to cut a model, and what to run it with."""

    stages: int = 1
    """How many segments, or ``AUTO``; ignored where ``at`` says it."""
    balance: Literal["time", "flops", "bytes"] = "time"
    """What is made equal: measured seconds, multiply-accumulates, or bytes of weights."""
    most_weight_bytes: int | None = None
    """What a segment's weights may take, where they can; ``AUTO`` is then the fewest segments for
    that. None: no bound."""
    threads: int = 1
    """How many threads a segment is measured with."""
    memory: Path | None = None
    """A folder that remembers what was measured, so that it is measured once; None: no memory."""
    remeasure: bool = False
    """Measure again, whatever is remembered."""
    at: tuple[str, ...] = ()
    """Tensors to cut at, one cut an item; several of one cut are joined by ``+``."""
    fixed_sizes: bool = False
    """Whether sizes that may vary are those that the file has, where it has some; segments then
    declare no others."""
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
    seconds: tuple[float, ...] = ()
    """What each segment took, where it was measured."""
    cut_space: str = "named"
    """What was searched: ``downsets``, ``order:`` and which, or ``named`` by the user."""
    chunks: Mapping[str, tuple[Chunk, ...]] = field(default_factory=dict)
    """Ranges of each segment's weights that can be found again, by the segment's name."""
    notes: tuple[str, ...] = ()
    """What a reader of the report should know."""
    edgetpu: EdgeTpuReport | None = None
    """What there is to say of the Edge TPU, where the model was split for it."""


class FileOperator(NamedTuple):
    """One operator of a segment, by its place in the file."""

    writes: str
    """The first tensor that it writes; empty: none."""
    constant: bool
    """Whether it depends on weights alone: a runtime computes it once."""
    kind: str
    multiply_accumulates: int = 0
    """Counted where the format's runtime tells no operator's time."""


class ModelFormat(Protocol):
    """Reads one format of models."""

    def identify(self, model: Path) -> ModelRef:
        """Return the name and the digest of a model: of its file and all that it refers to.

        Raises:
            CodedError: The model cannot be read.
        """
        ...

    def cut(self, model: Path, request: CutRequest, folder: Path, tell: Tell = ...) -> CutModel:
        """Cut ``model`` and write each segment to ``folder/<segment's name>/``.

        Segments are named by ``segment_names``. A folder holds the segment's files and its
        golden frame, and nothing else.

        Raises:
            CodedError: The model cannot be read, run or cut so; the folder's content is void.
        """
        ...

    def opened(self, model: Path) -> AbstractContextManager["OpenModel"]:
        """Give ``model`` open, until the block ends.

        Raises:
            CodedError: The model cannot be read.
        """
        ...

    def runnable(self, model: Path, folder: Path) -> Path:
        """Return what runs as the whole of ``model``: itself, or a copy written to ``folder``.

        A copy, where two of its inputs and outputs have one name, so that a runtime cannot tell.
        """
        ...

    def operators(self, segment: Path) -> tuple[FileOperator, ...]:
        """Return the operators of a segment that was written to a folder, in the file's order."""
        ...


def for_model(model: Path) -> "ModelFormat":
    """Return the format that reads ``model``, which its suffix says.

    Raises:
        UnknownFormatError: No format reads files of that suffix.
    """
    return named(suffix_of(model))


def suffix_of(model: Path) -> str:
    """Return the name of the format that reads ``model``, which its suffix says.

    Raises:
        UnknownFormatError: No format reads files of that suffix.
    """
    suffix = model.suffix.removeprefix(".").lower()
    if suffix not in known():
        raise UnknownFormatError(str(model), known())
    return suffix


def named(name: str) -> "ModelFormat":
    """Return the format that manifests call ``name``.

    Raises:
        UnknownPluginError: There is none.
    """
    made: ModelFormat = plugins.load(__name__, name)()
    return made


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
