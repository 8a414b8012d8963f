"""What is verified: a split's folder, and the model it was cut from where that is at hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from numpy.typing import NDArray

from fleet import formats, golden_files, inputs, split_folder
from fleet.compare import HALF, Allowance
from fleet.errors import BadExampleError, BadRequestError, DamagedSplitError
from wire import golden
from wire.errors import CodedError, FrameError
from wire.manifest import Edge, Manifest, ModelRef, Segment, Tolerance

Arrays = Mapping[str, NDArray[Any]]

_FLOAT16: Final = 10


@dataclass(frozen=True, slots=True)
class Subject:
    """A split, checked to be what was written, and the whole model or None."""

    folder: Path
    manifest: Manifest
    whole: Path | None
    runnable: Path | None = None
    """What is run as the whole model, where that is a copy."""
    whole_bytes: int = 0
    """Of the model's file and its weights beside it."""
    why_no_model: str = ""
    """A sentence for where there is no whole model."""

    @property
    def format(self) -> str:
        """Of the model, as far as its segments tell."""
        return self.manifest.segments[0].format

    @property
    def half(self) -> bool:
        """Whether a cut carries float16, which no CPU adds up as the whole model does."""
        return self._roundings > 0

    @property
    def _roundings(self) -> int:
        """How many cuts round."""
        return sum(_has_half([edge]) for edge in self.manifest.edges[1:-1])

    @property
    def outputs(self) -> tuple[str, ...]:
        """The pipeline's outputs, by name."""
        return tuple(spec.name for spec in self.manifest.outputs)

    @property
    def tolerance(self) -> Tolerance:
        """With the model: that of the type. Golden frames were made plainly: the manifest's.

        Steps of quantised tensors add up from segment to segment.

        Errors add up, so each cut that rounds float16 brings its own.
        """
        if self.whole:
            one = HALF if _has_half(self.manifest.edges) else Tolerance()
        else:
            segments = self.manifest.segments
            one = Allowance(
                absolute=max(segment.tolerance.absolute for segment in segments),
                relative=max(segment.tolerance.relative for segment in segments),
                quanta=sum(segment.quanta or 0 for segment in segments),
            )
        return msgspec.structs.replace(one, absolute=one.absolute * max(1, self._roundings))

    @property
    def golden_bytes(self) -> int:
        """The size of the largest golden frame: what goes in and out of one segment."""
        return max(
            (
                file.size_bytes
                for segment in self.manifest.segments
                for file in segment.files
                if file.name == golden.FILE_NAME
            ),
            default=0,
        )

    def place(self, segment: Segment) -> Path:
        """Return a segment's folder."""
        return split_folder.segment_folder(self.folder, segment)

    def golden(self, segment: Segment) -> tuple[Arrays, Arrays]:
        """Return inputs and outputs of a segment's golden frame.

        Raises:
            DamagedSplitError: It cannot be read, or a tensor is missing.
        """
        path = self.place(segment) / golden.FILE_NAME
        try:
            sides = golden_files.read(path.parent)
        except OSError as error:
            raise DamagedSplitError(str(path), f"cannot be read ({error.strerror})") from error
        except FrameError as error:
            raise DamagedSplitError(str(path), error.problem) from error
        for specs, side in zip((segment.inputs, segment.outputs), sides, strict=True):
            missing = [spec.name for spec in specs if spec.name not in side]
            if missing:
                raise DamagedSplitError(str(path), f"holds no tensors {missing}")
        return sides

    def golden_inputs(self) -> Arrays:
        """Return the inputs that the golden frames were made with; unread ones are made up.

        Raises:
            DamagedSplitError: Golden frames cannot be read, or are not what the model takes.
        """
        found: dict[str, NDArray[Any]] = {}
        for segment in self.manifest.segments:
            wanted = {spec.name for spec in segment.inputs}.intersection(
                spec.name for spec in self.manifest.inputs if spec.name not in found
            )
            if wanted:
                side = self.golden(segment)[0]
                found |= {name: side[name].copy() for name in wanted}
        read = [spec for spec in self.manifest.inputs if spec.name in found]
        unread = [spec for spec in self.manifest.inputs if spec.name not in found]
        try:
            named = inputs.given(read, found, "golden frames").named
        except BadExampleError as error:
            raise DamagedSplitError(str(self.folder), f"golden frames: {error.problem}") from error
        names = {name for spec in unread for name in spec.shape if isinstance(name, str)}
        sizes = {name: size for name, size in named.items() if name in names}
        made = inputs.made(unread, sizes, seed=0).arrays
        return {spec.name: {**found, **made}[spec.name] for spec in self.manifest.inputs}

    def golden_outputs(self, feeds: Arrays) -> Arrays:
        """Return the pipeline's outputs as the golden frames have them; inputs may be outputs."""
        found = {name: feeds[name] for name in self.outputs if name in feeds}
        for segment in self.manifest.segments:
            made = {spec.name for spec in segment.outputs}.intersection(self.outputs)
            if made:
                side = self.golden(segment)[1]
                found |= {name: side[name].copy() for name in made}
        return {name: found[name] for name in self.outputs}


def opened(folder: Path, model: Path | None) -> Subject:
    """Return the split in ``folder`` and its model: ``model``, or where it was when it was cut.

    Raises:
        DamagedSplitError: A file of the split is missing or is not the one that was written.
        ModelError: ``model`` cannot be read.
        BadRequestError: ``model`` is not the one that was cut.
    """
    manifest = split_folder.read(folder)
    if manifest.cut_space == split_folder.COMPOSED:
        why = "the stages were given, so there is no whole model"
        if model is not None:
            problem = f"{why} (`paceline pipeline compose --reference MODEL` compares with one)"
            raise BadRequestError("--model", problem)
        return Subject(folder, manifest, None, why_no_model=why)
    if model is not None:
        ref = _identified(model, manifest)
        if ref.sha256 != manifest.model.sha256:
            problem = f"{model} is not {manifest.model.name} that was cut"
            raise BadRequestError("--model", problem)
        return Subject(folder, manifest, model, whole_bytes=ref.size_bytes)
    report = split_folder.read_report(folder)
    path = Path(report.source) if report else None
    if path is None or not path.is_file():
        return Subject(folder, manifest, None, why_no_model="the model was not found")
    try:
        ref = _identified(path, manifest)
        if ref.sha256 == manifest.model.sha256:
            return Subject(folder, manifest, path, whole_bytes=ref.size_bytes)
    except CodedError:
        pass  # a file that is no model any more is as good as another one
    why = f"{path} is no longer the model that was cut"
    return Subject(folder, manifest, None, why_no_model=why)


def _has_half(edges: Sequence[Edge]) -> bool:
    return any(spec.dtype == _FLOAT16 for edge in edges for spec in edge.tensors)


def _identified(model: Path, manifest: Manifest) -> ModelRef:
    return formats.named(manifest.segments[0].format).identify(model)
