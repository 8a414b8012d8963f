"""A model made ready to be measured: written as segments, as a deploy would, with what is in them.

One segment is the whole model; one that is too large for a device is measured in parts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from fleet import digests, formats, golden_files, runtime_choice, split, split_folder
from fleet.errors import BadRequestError
from fleet.formats import CutRequest, FileOperator, Tell
from fleet.runtime_choice import AUTO
from wire import canonical
from wire.manifest import Manifest, ModelRef, Segment
from wire.messages import RuntimeInfo

MOST_PARTS: Final = 64
LOADING: Final = 3
"""How many times its weights a model takes while it is loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRequest:
    """What to measure a model with."""

    model: Path
    """A model's file; or a folder that a split wrote: its segments are measured as they are."""
    dims: Mapping[str, int] = field(default_factory=dict)
    """Sizes of dynamic dimensions, as in `CutRequest`."""
    example: Path | None = None
    parts: int = 1
    """1: as many as fit into memory."""
    seconds: float = 10.0
    """How long the runs of one part may take."""
    runtime: str = AUTO
    """What runs them; see `runtime_for`."""


@dataclass(frozen=True, slots=True)
class Part:
    """One segment to be measured."""

    segment: Segment
    folder: Path
    operators: tuple[FileOperator, ...]
    """By place."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model as segments in a folder."""

    folder: Path
    manifest: Manifest
    sizes: dict[str, tuple[int, ...]]
    parts: tuple[Part, ...]


def fitting_parts(size_bytes: int, memory_bytes: int) -> int:
    """Return in how many parts a model of that size is measured on a device with that memory.

    Loading takes its weights up to three times; half of the memory is for what else is there.
    """
    if memory_bytes <= 0:
        return 1
    return min(MOST_PARTS, max(1, -(-LOADING * size_bytes * 2 // memory_bytes)))


def split_of(request: ProfileRequest) -> Manifest | None:
    """Return the manifest of the split that a request names; None: it names a model's file.

    Raises:
        BadRequestError: There are options that a split's segments have no use for.
        CodedError: There is no split in the folder.
    """
    if not request.model.is_dir():
        return None
    options = {"--dim": request.dims, "--input": request.example, "--parts": request.parts > 1}
    for option, given in options.items():
        if given:
            raise BadRequestError(option, f"{request.model} is a split, which says it itself")
    return split_folder.read(request.model)


def identified(model: Path) -> ModelRef:
    """Return the name and the digest of a model.

    Raises:
        UnknownFormatError: No format reads files of that suffix.
        CodedError: It cannot be read.
    """
    return formats.for_model(model).identify(model)


class Kind(NamedTuple):
    """What a runtime must be able to run."""

    format: str
    compiled: bool = False
    """Whether for an Edge TPU."""


def kinds_of(request: ProfileRequest) -> tuple[Kind, ...]:
    """Return of what kinds the model is, or the segments of the split, of a request.

    Raises:
        UnknownFormatError: No format reads the model's file.
        CodedError: There is no split in the folder.
    """
    found = split_of(request)
    if found is None:
        return (Kind(formats.suffix_of(request.model)),)
    return tuple(sorted({kind_of(segment) for segment in found.segments}))


def kind_of(segment: Segment) -> Kind:
    """Return of what kind a segment is."""
    return Kind(segment.format, runtime_choice.is_compiled(segment))


def runtime_for(request: ProfileRequest, kind: Kind, runtimes: Iterable[RuntimeInfo] = ()) -> str:
    """Return what runs a kind of segment: what is asked for, or what a deploy would choose.

    Args:
        request: Says which, or ``AUTO``.
        kind: What must be run.
        runtimes: What the device has; none: it is run on the processor.
    """
    if request.runtime != AUTO:
        return request.runtime
    return runtime_choice.best(kind.format, runtimes, compiled=kind.compiled)


def sample_of(request: ProfileRequest) -> str:
    """Return what a profile depends on beside model and device.

    Raises:
        BadRequestError: There are sizes and an example, or the example cannot be read.
    """
    if request.example is None:
        return canonical.digest({"dims": dict(request.dims), "parts": request.parts})
    if request.dims:
        raise BadRequestError("--dim", "sizes come from the example that --input names")
    try:
        example = digests.file(request.example).sha256
    except OSError as error:
        raise BadRequestError(
            f"--input {request.example}", f"cannot be read ({error.strerror})"
        ) from error
    return canonical.digest({"example": example, "parts": request.parts})


def prepared(request: ProfileRequest, folder: Path, tell: Tell) -> Subject:
    """Write the model as segments into ``folder``, a new one; a split is taken as it is.

    Raises:
        CodedError: The model cannot be read, run or cut so.
    """
    if (found := split_of(request)) is not None:
        parts = tuple(part_of(request.model, segment) for segment in found.segments)
        return Subject(request.model, found, sizes_of(found, parts), parts)
    cut = CutRequest(
        stages=request.parts, balance="bytes", dims=request.dims, example=request.example
    )
    made = split.split(request.model, folder, cut, tell=tell)
    parts = tuple(part_of(folder, segment) for segment in made.segments)
    return Subject(folder, made, sizes_of(made, parts), parts)


def part_of(folder: Path, segment: Segment) -> Part:
    """Return a segment of the split in ``folder``, ready to be measured."""
    place = split_folder.segment_folder(folder, segment)
    return Part(segment, place, formats.named(segment.format).operators(place))


def sizes_of(made: Manifest, parts: tuple[Part, ...]) -> dict[str, tuple[int, ...]]:
    """Return the sizes of each input of the model, as its golden frames have them."""
    wanted = {spec.name for spec in made.inputs}
    sizes: dict[str, tuple[int, ...]] = {}
    for part in parts:
        taken, _ = golden_files.read(part.folder)
        sizes.update((name, array.shape) for name, array in taken.items() if name in wanted)
    return sizes
