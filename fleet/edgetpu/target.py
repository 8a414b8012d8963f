"""`paceline split --for edgetpu`: check the model, then have its segments compiled."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from fleet import digests
from fleet.edgetpu import check, compiled, compiler, memory, model
from fleet.edgetpu.check import Verdict
from fleet.edgetpu.compiler import Compilation
from fleet.edgetpu.errors import MissingCompiledError, NotForEdgeTpuError
from fleet.edgetpu.operators import published
from fleet.edgetpu.report import COMPILED, TWIN, EdgeTpuReport, SegmentReport
from fleet.formats import AUTO, CutModel, CutRequest
from wire.manifest import Segment

LEAST_ROOM: Final = 0.25
"""Of what a segment's weights are planned to take: with less, its program is what is too large."""
QUANTA: Final = 2
"""By how many steps an Edge TPU's answers may differ from the twin's: it rounds otherwise. Not
measured; more of it is not expected of any segment that is right."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeTpu:
    """What is wanted of a split for the Edge TPU."""

    compiled: Path | None = None
    """A folder with segments that were compiled elsewhere, one folder each; None: compile here."""
    runtime: int | None = None
    """The oldest version of the Edge TPU runtime that shall do; None: the newest."""

    @property
    def version(self) -> int:
        """Return the version of the runtime that rules are applied for."""
        return published().newest_runtime if self.runtime is None else self.runtime

    def checked(self, path: Path) -> tuple[Verdict, ...]:
        """Return what is expected of the operators of a model.

        Raises:
            CodedError: It cannot be read, or nothing of it is for the Edge TPU.
        """
        if path.suffix.lower() != ".tflite":
            raise NotForEdgeTpuError(str(path))
        return check.check(model.read(path), published(), self.version)

    def finished(
        self, cut: CutModel, folder: Path, found: Sequence[Verdict], tell: Tell
    ) -> CutModel:
        """Return the cut model with what was compiled, and its report.

        Args:
            cut: As it was written.
            folder: With a folder of each segment; compiled files are put into it.
            found: What `checked` gave.
            tell: Hears what is being done.

        Raises:
            CodedError: A segment cannot be compiled, or a compiled one is not of this split.
        """
        made = [self._segment(segment, folder / segment.name, tell) for segment in cut.segments]
        rules = published()
        return replace(
            cut,
            segments=tuple(segment for segment, _ in made),
            edgetpu=EdgeTpuReport(
                source=rules.source,
                compared=rules.compared,
                runtime=self.version,
                min_runtime=self.runtime,
                operators=check.by_kind(found),
                cautions=check.cautions(found),
                segments=tuple(report for _, report in made),
            ),
        )

    def tighter(self, request: CutRequest, cut: CutModel) -> CutRequest | None:
        """Return a request for smaller segments, where the compiler found that some do not fit.

        None: all fit, somebody said how many there shall be, or nothing would be gained.

        Args:
            request: What was asked for.
            cut: What it came to, compiled here.
        """
        bound = request.most_weight_bytes
        if (
            request.stages != AUTO
            or request.at
            or self.compiled
            or bound is None
            or not cut.edgetpu
        ):
            return None
        rooms = [
            one.weight_bytes * log.on_chip_bytes // (log.on_chip_bytes + log.off_chip_bytes)
            for one, segment in zip(cut.edgetpu.segments, cut.segments, strict=True)
            if (log := one.log)
            and log.off_chip_bytes
            and log.on_chip_bytes
            and segment.operators > 1
        ]
        least = min(rooms, default=bound)
        if least >= bound or least < bound * LEAST_ROOM:
            return None
        return replace(request, most_weight_bytes=least)

    def _segment(self, segment: Segment, folder: Path, tell: Tell) -> tuple[Segment, SegmentReport]:
        twin = model.read(folder / TWIN)
        expected = check.verdicts(twin, published(), self.version)
        found = zip(twin.operators, expected, strict=True)
        mapped = [operator for operator, verdict in found if verdict.mapped]
        weight_bytes = model.weight_bytes(mapped)
        report = SegmentReport(
            name=segment.name,
            expected_edgetpu=len(mapped),
            expected_cpu=len(expected) - len(mapped),
            weight_bytes=twin.weight_bytes,
            expected_on_chip_bytes=weight_bytes - memory.streamed_bytes(weight_bytes),
            expected_off_chip_bytes=memory.streamed_bytes(weight_bytes),
        )
        with tempfile.TemporaryDirectory(prefix="edgetpu-") as scratch:
            compilation = self._compilation(folder, Path(scratch), tell)
            if compilation is None:
                return segment, report
            report = msgspec.structs.replace(report, log=compilation.log)
            if compilation.file is None or not compiled.take(compilation.file, folder):
                return segment, report
        files = (*segment.files, digests.file(folder / COMPILED))
        return (
            msgspec.structs.replace(
                segment,
                files=tuple(sorted(files, key=lambda file: file.name)),
                quanta=max(segment.quanta or 0, QUANTA),
            ),
            msgspec.structs.replace(report, compiled=True),
        )

    def _compilation(self, folder: Path, scratch: Path, tell: Tell) -> Compilation | None:
        """Return what was made of a segment; None: there is no compiler here."""
        if self.compiled is not None:
            elsewhere = self.compiled / folder.name
            if not elsewhere.is_dir():
                raise MissingCompiledError(str(self.compiled), folder.name)
            return compiler.found(elsewhere)
        program = compiler.installed()
        if program is None:
            return None
        tell(f"compiling {folder.name} for the Edge TPU")
        return compiler.compiled(program, folder, scratch, self.runtime)
