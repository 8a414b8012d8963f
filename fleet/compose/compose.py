"""Compose a pipeline: the folder is as a split's, and all that reads those reads it too.

Each stage is read and run (`stages`), what is between them is named (`joints`) and written into
their segments (`borders`); then the segments run one after the other for the golden frames, and
each adapter runs alone beside numpy.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from fleet import chunks, split
from fleet.codec_effects.report import Bounds
from fleet.compose import reference
from fleet.compose.errors import ReferenceDiffersError, StageError
from fleet.compose.report import ComposeReport, JointReport, StageReport, joint_reports
from fleet.compose.stages import Given, Reading, Stage
from fleet.compose.travel import Travel, travel
from fleet.compose.writing import Writer
from fleet.formats import Tell
from fleet.model_graph import kernels
from fleet.split import Presentation
from fleet.split_folder import (
    CHUNKS_FILE,
    COMPOSED,
    MANIFEST_FILE,
    REPORT_FILE,
    SEGMENTS_FOLDER,
    SplitReport,
)
from wire import canonical, ids, manifest
from wire.manifest import SCHEMA, Manifest, ModelRef

MOST_STAGES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeRequest:
    """What to compose, and how."""

    stages: tuple[Path, ...]
    """Models' files, and folders of segments."""
    out: Path
    presentation: Presentation = Presentation()  # noqa: RUF009 frozen
    """Without a name, it is made from the folder's."""
    given: Given = Given()  # noqa: RUF009 frozen
    reference: Path | None = None
    """A model that does the same as a whole."""
    bounds: Bounds = Bounds()  # noqa: RUF009 frozen
    """How far the outputs may be from the reference's."""


def compose(request: ComposeRequest, tell: Tell = lambda _: None) -> ComposeReport:
    """Write the pipeline into the folder ``request.out``; return what is in it.

    A folder that an earlier split or composition wrote is replaced.

    Raises:
        ContractError: What a stage gives cannot be made into what the next one takes.
        UnmatchedError: Nothing comes to what a stage takes.
        ReferenceDiffersError: A bound is broken.
        AdapterWrongError: An adapter does not give what numpy gives.
        CodedError: A stage is none or does not run, or the folder holds something else; nothing
            was written.
    """
    if not 1 <= len(request.stages) <= MOST_STAGES:
        raise StageError(
            f"{len(request.stages)} stages", f"1 to {MOST_STAGES} are possible", "give others"
        )
    name = ids.id_from(request.out.absolute().name, "composed")
    if request.presentation.name is not None:
        name = ids.checked(request.presentation.name, "pipeline name")
    with (
        split.replacing(request.out) as folder,
        tempfile.TemporaryDirectory(prefix="scratch-", dir=folder) as scratch,
    ):
        segments = folder / SEGMENTS_FOLDER
        segments.mkdir()
        reading = Reading(request.given, segments, Path(scratch))
        for path in request.stages:
            reading.read(path, tell)
        reading.check_layouts()
        found = _written(folder, name, reading, request, tell)
        kept = msgspec.json.encode(_split_report(found, reading.stages))
        (folder / REPORT_FILE).write_bytes(msgspec.json.format(kept, indent=2) + b"\n")
    return found


def _written(
    folder: Path, name: str, reading: Reading, request: ComposeRequest, tell: Tell
) -> ComposeReport:
    """Write segments, manifest and chunks into ``folder``; return what there is to say."""
    stages = reading.stages
    travels = travel([stage.face for stage in stages], reading.joints)
    _check_read(stages, travels)
    writer = Writer(stages, travels, reading.scratch)
    segments = tuple(writer.write(stage, tell) for stage in stages)
    edges = travels.edges([segment.name for segment in segments])
    made = Manifest(
        schema=SCHEMA,
        name=name,
        model=_model(stages),
        inputs=travels.inputs,
        outputs=edges[-1].tensors,
        segments=segments,
        edges=edges,
        cut_space=COMPOSED,
    )
    made = split.presented(made, request.presentation)
    (folder / MANIFEST_FILE).write_bytes(manifest.encode(made))
    ranges = {stage.name: one for stage in stages for one in stage.cut.chunks.values()}
    (folder / CHUNKS_FILE).write_bytes(chunks.encode(ranges))
    compared = None
    if request.reference is not None:
        tell(f"comparing with {request.reference.name}")
        made_up = request.given.request.example is None
        compared = reference.compared(
            folder, made, travels.ends, request.reference, made_up=made_up
        )
        broken = request.bounds.broken(compared.figures)
        if broken:
            raise ReferenceDiffersError(request.reference.name, broken)
    return ComposeReport(
        folder=str(request.out),
        pipeline=made.name,
        digest=made.digest,
        stages=_stage_reports(stages, made, writer),
        joints=joint_reports(travels.joints, [stage.name for stage in stages], writer.quanta_apart),
        max_abs_diff=writer.max_abs_diff,
        reference=compared,
        notes=(*_notes(stages, made, travels), *writer.notes),
    )


def _check_read(stages: Sequence[Stage], travels: Travel) -> None:
    """Check that something of each stage is read: else it is no part of the pipeline.

    Raises:
        StageError: Nothing of one is.
    """
    for stage in stages[:-1]:
        if not travels.leaving(stage.number):
            given = ", ".join(one.name for one in stage.face.outputs)
            raise StageError(
                str(stage.given),
                f"nobody reads what it gives ({given}): later stages take what they read by name"
                " from stages before it",
                "leave it out, or export it with its outputs named as they are read",
            )


def _stage_reports(
    stages: Sequence[Stage], made: Manifest, writer: Writer
) -> tuple[StageReport, ...]:
    return tuple(
        StageReport(
            segment=segment.name,
            source=str(stage.given),
            format=segment.format,
            operators=segment.operators,
            weight_bytes=segment.weight_bytes,
            sends_bytes=sum(writer.have[spec.name].nbytes for spec in edge.tensors),
            inputs=segment.inputs,
            outputs=segment.outputs,
        )
        for stage, segment, edge in zip(stages, made.segments, made.edges[1:], strict=True)
    )


def _notes(stages: Sequence[Stage], made: Manifest, travels: Travel) -> list[str]:
    notes = [
        f"stage {stage.number}: {note}"
        for stage in stages
        if not stage.is_segment
        for note in stage.cut.notes
        if note != kernels.note(stage.cut.segments)
    ]
    if any(segment.quanta for segment in made.segments):
        notes.append(kernels.note(made.segments))
    for stage in stages[:-1]:
        unread = [one.name for one in stage.face.outputs if not travels.readers(one)]
        if unread:
            notes.append(f"stage {stage.number}: nobody reads {unread}, so it is left out")
    return notes


def _model(stages: Sequence[Stage]) -> ModelRef:
    """Return what stands for a whole model: the names of its parts, and a digest over them."""
    refs = [stage.cut.model for stage in stages]
    return ModelRef(
        name=" + ".join(stage.label for stage in stages),
        sha256=canonical.digest(refs),
        size_bytes=sum(ref.size_bytes for ref in refs),
    )


def _split_report(found: ComposeReport, stages: Sequence[Stage]) -> SplitReport:
    return SplitReport(
        source="",
        cuts=tuple(tuple(spec.name for spec in stage.outputs) for stage in found.stages[:-1]),
        cut_bytes=tuple(stage.sends_bytes for stage in found.stages[:-1]),
        multiply_accumulates=tuple(cost for stage in stages for cost in stage.cut.costs),
        balance=COMPOSED,
        notes=found.notes,
        parts=tuple(stage.source for stage in found.stages),
        adapters=tuple(_sentence(joint) for joint in found.joints if joint.steps),
    )


def _sentence(joint: JointReport) -> str:
    way = f"{joint.tensor} from {joint.maker} to {joint.reader}"
    return f"{way}: {joint.adapter}, in {joint.adapter_in}"
