"""Show that the segments of a split, one after the other, give what the whole model gives.

With the runtime's optimisations off every output is equal bit by bit; with them on, each element
is within 1e-5 + 1e-4 of it. Only float16 across a cut may differ in bits: runtimes without
instructions for it compute in float32, and round where a tensor becomes visible. Where the model
is no longer at hand the golden frames stand in for it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from numpy.typing import NDArray

from fleet import children, golden_files, inputs, split_folder
from fleet.children import RunOptions
from fleet.compare import HALF, Difference, compare
from fleet.errors import BadRequestError, DamagedSplitError, OutputsDifferError
from fleet.formats import ModelFormat
from wire import plugins
from wire.errors import FrameError
from wire.manifest import Manifest, Tolerance

Arrays = Mapping[str, NDArray[Any]]

_FLOAT16: Final = 10


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared, and how it went."""

    pipeline: str
    digest: str
    """Of the manifest."""
    compared_with: str
    """``model``, or ``golden frames`` where the model was not at hand."""
    bit_equal: bool
    """Optimisations off: every output equals its reference bit by bit."""
    within_tolerance: bool
    """Optimisations on: every element is near enough to its reference."""
    max_abs_diff: float
    """Optimisations on, over all outputs."""
    first_difference: str | None = None
    """Optimisations off: the first tensor, in the order of stages, that differs."""
    notes: tuple[str, ...] = ()


def verify(
    folder: Path,
    model: Path | None = None,
    given: Arrays | None = None,
    limit_seconds: float = 600.0,
) -> VerifyReport:
    """Compare the split in ``folder`` with the whole model.

    Args:
        folder: What a split wrote.
        model: The model that was cut; None: looked for where it was then.
        given: Inputs by name; None: those of the golden frames.
        limit_seconds: For each of the runs, of which there are two a segment and two more.

    Raises:
        DamagedSplitError: A file is missing or is not the one that was written.
        BadRequestError: ``model`` is another one, or ``given`` needs the model.
        OutputsDifferError: They differ; the error holds the report.
        ChildFailedError: A segment or the model does not run.
    """
    manifest = split_folder.read(folder)
    golden = _golden(folder, manifest)
    whole = _whole(folder, manifest, model)
    feeds: Arrays
    if given is None:
        feeds = _golden_inputs(manifest, golden)
    elif whole is None:
        raise BadRequestError("--input", "there is no reference for it without the model")
    else:
        feeds = inputs.given(manifest.inputs, given, "--input").arrays
        golden = {}
    run = _Verification(folder, manifest, whole, golden, feeds, limit_seconds)
    report = run.report()
    if not report.within_tolerance or not (report.bit_equal or _has_half(manifest)):
        name = report.first_difference or manifest.outputs[0].name
        how = f"is off by up to {report.max_abs_diff:g}" if report.bit_equal else "is not bit-equal"
        raise OutputsDifferError(str(folder), name, how, report)
    return report


@dataclass(frozen=True, slots=True)
class _Verification:
    """One split, its references, and the inputs to run."""

    folder: Path
    manifest: Manifest
    whole: Path | None
    golden: Arrays
    feeds: Arrays
    limit_seconds: float

    def report(self) -> VerifyReport:
        """Run everything, one child after the other, and compare."""
        plain = self._chain(optimisations=False)
        expected = {**self.golden, **self._reference(optimisations=False)}
        first = self._first_difference(plain, expected)
        outputs = [spec.name for spec in self.manifest.outputs]
        exact = [self._compare(plain, expected, name).bit_equal for name in outputs]
        fast = self._chain(optimisations=True)
        expected = {**self.golden, **self._reference(optimisations=True)}
        near = [self._compare(fast, expected, name) for name in outputs]
        return VerifyReport(
            pipeline=self.manifest.name,
            digest=self.manifest.digest,
            compared_with="model" if self.whole else "golden frames",
            bit_equal=all(exact),
            within_tolerance=all(difference.within for difference in near),
            max_abs_diff=max((d.max_abs_diff for d in near), default=0.0),
            first_difference=first,
            notes=tuple(self._notes()),
        )

    def _notes(self) -> Iterator[str]:
        if self.whole is None:
            yield "the model was not found; golden frames stood in for it"
        if _has_half(self.manifest):
            yield "float16 is computed in float32 between cuts, so bits may differ"

    def _reference(self, *, optimisations: bool) -> Arrays:
        if self.whole is None:
            return {}
        names = {spec.name for spec in self.manifest.inputs}
        feeds = {name: array for name, array in self.feeds.items() if name in names}
        return self._run(self.whole, feeds, optimisations=optimisations)

    def _chain(self, *, optimisations: bool) -> Arrays:
        have = dict(self.feeds)
        for segment in self.manifest.segments:
            feeds = {spec.name: have[spec.name] for spec in segment.inputs}
            place = split_folder.segment_folder(self.folder, segment)
            have |= self._run(place, feeds, optimisations=optimisations)
        return have

    def _run(self, model: Path, feeds: Arrays, *, optimisations: bool) -> Arrays:
        options = RunOptions(optimisations=optimisations, limit_seconds=self.limit_seconds)
        (outputs,) = children.run(model, [feeds], options).outputs
        return outputs

    def _tolerance(self) -> Tolerance:
        """With the model: that of float32. Golden frames were made plainly: the manifest's."""
        if self.whole:
            return HALF if _has_half(self.manifest) else Tolerance()
        return Tolerance(
            absolute=max(segment.tolerance.absolute for segment in self.manifest.segments),
            relative=max(segment.tolerance.relative for segment in self.manifest.segments),
        )

    def _compare(self, got: Arrays, expected: Arrays, name: str) -> Difference:
        return compare(got[name], expected[name], self._tolerance())

    def _first_difference(self, got: Arrays, expected: Arrays) -> str | None:
        for segment in self.manifest.segments:
            for spec in segment.outputs:
                known = spec.name in expected
                if known and not self._compare(got, expected, spec.name).bit_equal:
                    return spec.name
        return None


def _has_half(manifest: Manifest) -> bool:
    return any(spec.dtype == _FLOAT16 for edge in manifest.edges for spec in edge.tensors)


def _golden(folder: Path, manifest: Manifest) -> dict[str, NDArray[Any]]:
    """Return all that the golden frames hold, by tensor name."""
    found: dict[str, NDArray[Any]] = {}
    for segment in manifest.segments:
        place = split_folder.segment_folder(folder, segment)
        try:
            for side in golden_files.read(place):
                found |= side
        except (OSError, FrameError) as error:
            raise DamagedSplitError(str(place / "golden.frame"), str(error)) from error
    return found


def _golden_inputs(manifest: Manifest, golden: Arrays) -> dict[str, NDArray[Any]]:
    """Return the inputs that the golden frames were made with; those nobody reads are made up."""
    unread = [spec for spec in manifest.inputs if spec.name not in golden]
    made = dict(inputs.made(unread, {}, seed=0).arrays)
    return made | {s.name: golden[s.name] for s in manifest.inputs if s.name in golden}


def _whole(folder: Path, manifest: Manifest, model: Path | None) -> Path | None:
    """Return the model's path if it is at hand and is the one that was cut."""
    if model is None:
        report = split_folder.read_report(folder)
        path = Path(report.source) if report else None
        return path if path and path.is_file() and _is_it(path, manifest) else None
    if not _is_it(model, manifest):
        raise BadRequestError("--model", f"{model} is not {manifest.model.name} that was cut")
    return model


def _is_it(model: Path, manifest: Manifest) -> bool:
    plugin: ModelFormat = plugins.load("fleet.formats", manifest.segments[0].format)()
    return plugin.identify(model).sha256 == manifest.model.sha256
