"""Look at a model without cutting it: its operators, what crosses between them, what they cost.

A format that can be looked at has a method `survey`; see `Surveying`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec
from numpy.typing import NDArray

from fleet import formats, golden_files, split_folder
from fleet.errors import DamagedSplitError, UnknownFormatError
from fleet.formats import CutRequest, Tell
from fleet.model_plan.chain import ModelChain
from wire.errors import FrameError
from wire.manifest import Manifest, ModelRef
from wire.tensors import TensorSpec


class OperatorKind(msgspec.Struct, frozen=True, kw_only=True):
    """All operators of one kind."""

    name: str
    """As the format spells it, with its domain where that is not the format's own."""
    count: int
    without_rule: int
    """How many of them have no rule that says what work they are; they count nothing."""
    multiply_accumulates: int
    weight_bytes: int
    """Weights that they are the first to need."""
    seconds: float | None = None


class CutPlace(msgspec.Struct, frozen=True, kw_only=True):
    """One place where the graph may be cut, or is."""

    operators: int
    """How many are before it: its place along the order."""
    tensors: tuple[str, ...]
    size_bytes: int
    """What one frame carries across it."""
    work_share: float
    """Of the multiply-accumulates, before it."""
    weight_share: float
    """Of the weights, before it."""
    time_share: float | None = None
    """Of the operators' time, before it, where they were timed."""


class Along(msgspec.Struct, frozen=True, kw_only=True):
    """The operators that depend on an input, in one valid order, and what crosses between them."""

    names: tuple[str, ...]
    """Of each operator: its kind."""
    writes: tuple[str, ...]
    """Of each operator: the first tensor that it writes, which no other writes."""
    multiply_accumulates: tuple[int, ...]
    weight_bytes: tuple[int, ...]
    seconds: tuple[float, ...]
    """Empty where they were not timed."""
    seconds_are_shares: bool = False
    """Whether the whole alone was timed, and operators have their parts by work."""
    crossing_bytes: tuple[int, ...]
    """Before each operator, and after the last."""
    cuttable: tuple[bool, ...]
    """Whether all that crosses there can travel in one frame; at both ends: False."""


class ModelSurvey(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to know of a model before it is cut."""

    model: ModelRef
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    sizes: dict[str, tuple[int, ...]]
    """Of each input: the shape that all numbers are for."""
    opsets: dict[str, int]
    operators: int
    weight_bytes: int
    kinds: tuple[OperatorKind, ...]
    along: Along
    places: tuple[CutPlace, ...]
    """The narrowest ones, or those that were asked for."""
    cut_space: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyRequest:
    """What to look at a model with."""

    dims: Mapping[str, int] = field(default_factory=dict)
    """Sizes for dynamic dimensions, as in `CutRequest`."""
    example: Path | None = None
    arrays: Mapping[str, NDArray[Any]] | None = None
    """Inputs at hand, instead of an example in a file."""
    seed: int = 0
    time: bool = False
    """Whether to run the model and time each operator."""
    cuts: tuple[tuple[str, ...], ...] | None = None
    """Cuts that were made, as tensors; None: the narrowest places are looked for."""

    @property
    def sampling(self) -> CutRequest:
        """The same as far as it is about inputs."""
        return CutRequest(dims=self.dims, example=self.example, seed=self.seed)


@runtime_checkable
class Surveying(Protocol):
    """A model format that can look at a model."""

    def survey(
        self, model: Path, request: SurveyRequest, tell: Tell = lambda _: None
    ) -> ModelSurvey:
        """Return what there is to know of ``model``; it is run only where it must be.

        Raises:
            CodedError: The model cannot be read, or run where it must be.
        """
        ...


@runtime_checkable
class Chaining(Protocol):
    """A model format whose models can be planned."""

    def chain(self, model: Path, request: CutRequest, tell: Tell = lambda _: None) -> ModelChain:
        """Return ``model`` as a chain of blocks; it is run only where it must be.

        Raises:
            CodedError: The model cannot be read, or run where it must be.
        """
        ...


def survey(model: Path, request: SurveyRequest, tell: Tell = lambda _: None) -> ModelSurvey:
    """Look at ``model``.

    Raises:
        UnknownFormatError: No format that can look at models reads files of that suffix.
        CodedError: The model cannot be read, or run where it must be.
    """
    plugin = formats.for_model(model)
    if not isinstance(plugin, Surveying):
        raise UnknownFormatError(str(model), formats.known())
    return plugin.survey(model, request, tell)


def is_model_of(model: Path, made: Manifest) -> bool:
    """Whether ``model`` is the one that the split ``made`` is of.

    Raises:
        CodedError: The model cannot be read.
    """
    return formats.for_model(model).identify(model).sha256 == made.model.sha256


def request_of_split(folder: Path, made: Manifest, *, time: bool = False) -> SurveyRequest:
    """Return what to look at the model of the split in ``folder`` with: its cuts, its sizes.

    Raises:
        DamagedSplitError: A golden frame cannot be read.
    """
    names = {spec.name for spec in made.inputs}
    arrays: dict[str, NDArray[Any]] = {}
    for segment in made.segments:
        place = split_folder.segment_folder(folder, segment)
        try:
            taken, _ = golden_files.read(place)
        except (OSError, FrameError) as error:
            raise DamagedSplitError(str(place), f"its golden frame is none ({error})") from error
        arrays.update((name, array) for name, array in taken.items() if name in names)
    cuts = tuple(tuple(spec.name for spec in edge.tensors) for edge in made.edges[1:-1])
    if len(arrays) == len(names):
        return SurveyRequest(arrays=arrays, time=time, cuts=cuts)
    dims = {  # an input that nothing reads is in no golden frame
        asked or f"{spec.name}[{axis}]": size
        for spec in made.inputs
        if spec.name in arrays
        for axis, (asked, size) in enumerate(zip(spec.shape, arrays[spec.name].shape, strict=True))
        if isinstance(asked, str)
    }
    return SurveyRequest(dims=dims, time=time, cuts=cuts)


def chain(model: Path, request: CutRequest, tell: Tell = lambda _: None) -> ModelChain:
    """Return a model as a chain of blocks between places where it may be cut.

    Args:
        model: Its file.
        request: Sizes of dynamic dimensions, or an example; nothing else of it is used.
        tell: Hears what is being done.

    Raises:
        UnknownFormatError: No format reads it, or none that can be looked at does.
        CodedError: It cannot be read, or run where it must be.
    """
    plugin = formats.for_model(model)
    if not isinstance(plugin, Chaining):
        raise UnknownFormatError(str(model), formats.known())
    return plugin.chain(model, request, tell)
