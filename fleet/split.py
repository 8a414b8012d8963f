"""Split a model: a folder with a manifest, and a folder for each segment.

    DIR/pipeline.json                                canonical manifest
    DIR/split.json                                   report for people: costs, bytes, notes
    DIR/chunks.json                                  which ranges of weights can be found again
    DIR/segments/NN-name/{segment.onnx,weights.bin,golden.frame}, or segment.tflite

The folder appears whole or not at all.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec

from fleet import chunks, formats
from fleet.edgetpu.target import EdgeTpu
from fleet.errors import (
    BadRequestError,
    FolderInUseError,
    NotWrittenError,
)
from fleet.formats import CutModel, CutRequest, Tell
from fleet.split_folder import (
    CHUNKS_FILE,
    MANIFEST_FILE,
    REPORT_FILE,
    SEGMENTS_FOLDER,
    SplitReport,
)
from wire import ids, manifest
from wire.errors import ManifestError
from wire.manifest import INPUT, OUTPUT, SCHEMA, Answer, Edge, Manifest, Picture
from wire.tensors import TensorSpec

WRITTEN: Final = (MANIFEST_FILE, REPORT_FILE, CHUNKS_FILE, SEGMENTS_FOLDER)
"""What there is in a folder that a split wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """What people see of a pipeline: its name, and how pictures go in and answers come out."""

    name: str | None = None
    """None: made from the model's file name."""
    preprocess: Picture | None = None
    postprocess: Answer | None = None


def split(
    model: Path,
    out: Path,
    request: CutRequest = CutRequest(),  # noqa: B008 frozen, so sharing it is harmless
    presentation: Presentation = Presentation(),
    tell: Tell = lambda _: None,
    *,
    edgetpu: EdgeTpu | None = None,
) -> Manifest:
    """Cut ``model`` as ``request`` says and write the folder ``out``; return its manifest.

    A folder that an earlier split wrote is replaced. ``tell`` hears what is being done. With
    ``edgetpu`` the segments are compiled for the Edge TPU, where that can be done here.

    Raises:
        CodedError: The model cannot be read, run or cut so, or ``out`` holds something else;
            nothing was written.
    """
    plugin = formats.for_model(model)
    name = _name(model, presentation)
    verdicts = edgetpu.checked(model) if edgetpu else ()
    with replacing(out) as folder:
        cut = plugin.cut(model, request, _emptied(folder), tell)
        if edgetpu:
            cut = edgetpu.finished(cut, folder / SEGMENTS_FOLDER, verdicts, tell)
            while tighter := edgetpu.tighter(request, cut):
                request = tighter
                cut = plugin.cut(model, request, _emptied(folder), tell)
                cut = edgetpu.finished(cut, folder / SEGMENTS_FOLDER, verdicts, tell)
        made = presented(_manifest(name, cut), presentation)
        (folder / MANIFEST_FILE).write_bytes(manifest.encode(made))
        (folder / CHUNKS_FILE).write_bytes(chunks.encode(cut.chunks))
        report = msgspec.json.encode(_report(model, cut, request.balance))
        (folder / REPORT_FILE).write_bytes(msgspec.json.format(report, indent=2) + b"\n")
    return made


def _emptied(folder: Path) -> Path:
    """Return the folder for segments, with nothing in it."""
    segments = folder / SEGMENTS_FOLDER
    shutil.rmtree(segments, ignore_errors=True)
    segments.mkdir()
    return segments


def _name(model: Path, presentation: Presentation) -> str:
    if presentation.name is None:
        return ids.id_from(model.stem, "model")
    return ids.checked(presentation.name, "pipeline name")


def presented(made: Manifest, presentation: Presentation) -> Manifest:
    """Return the manifest with how pictures go in and answers come out.

    Raises:
        BadRequestError: There is no such input or output.
    """
    picture, answer = presentation.preprocess, presentation.postprocess
    if picture and picture.input not in {spec.name for spec in made.inputs}:
        raise BadRequestError("preprocess", f"the model has no input {picture.input!r}")
    if answer and answer.output not in {spec.name for spec in made.outputs}:
        raise BadRequestError("postprocess", f"the model has no output {answer.output!r}")
    inputs = tuple(_laid_out(spec, picture) for spec in made.inputs)
    first = msgspec.structs.replace(made.edges[0], tensors=inputs)
    return msgspec.structs.replace(
        made,
        inputs=inputs,
        edges=(first, *made.edges[1:]),
        preprocess=picture,
        postprocess=answer,
    )


def _manifest(name: str, cut: CutModel) -> Manifest:
    places = [INPUT, *(segment.name for segment in cut.segments), OUTPUT]
    carried = [cut.inputs, *cut.crossings, cut.outputs]
    edges = [
        Edge(source=source, target=target, tensors=tensors)
        for (source, target), tensors in zip(pairwise(places), carried, strict=True)
    ]
    return Manifest(
        schema=SCHEMA,
        name=name,
        model=cut.model,
        inputs=cut.inputs,
        outputs=cut.outputs,
        segments=cut.segments,
        edges=tuple(edges),
        cut_space=cut.cut_space,
    )


def _laid_out(spec: TensorSpec, picture: Picture | None) -> TensorSpec:
    if picture is None or spec.name != picture.input:
        return spec
    return msgspec.structs.replace(spec, layout=picture.layout)


def _report(model: Path, cut: CutModel, balance: str) -> SplitReport:
    return SplitReport(
        source=str(model.resolve()),
        cuts=tuple(tuple(spec.name for spec in specs) for specs in cut.crossings),
        cut_bytes=cut.crossing_bytes,
        multiply_accumulates=cut.costs,
        balance=balance,
        segment_seconds=cut.seconds,
        notes=cut.notes,
        edgetpu=cut.edgetpu,
    )


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Give a new folder beside ``out`` that takes its place when the block ends well."""
    out = out.absolute()
    _check_ours(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise FolderInUseError(str(out), f"cannot be written ({error.strerror})") from error
    try:
        folder.chmod(0o755)  # temporary folders begin as nobody else's
        yield folder
        _swap(folder, out)
    except OSError as error:
        raise NotWrittenError(str(out), str(error.filename or folder), str(error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_ours(out: Path) -> None:
    """Refuse a folder with anything in it that no split writes: it would be gone."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise FolderInUseError(str(out), "is no folder")
    if not out.is_dir():
        return
    held = {path.name for path in out.iterdir()}
    strangers = sorted(held - set(WRITTEN))
    if strangers:
        raise FolderInUseError(str(out), f"holds {strangers[0]!r:.80}, which no split wrote")
    if held:
        _check_split(out)


def _check_split(out: Path) -> None:
    try:
        found = manifest.decode((out / MANIFEST_FILE).read_bytes(), source=MANIFEST_FILE)
    except (OSError, ManifestError) as error:
        raise FolderInUseError(str(out), f"holds no {MANIFEST_FILE} of a split") from error
    names = {segment.name for segment in found.segments}
    segments = out / SEGMENTS_FOLDER
    strangers = [path for path in segments.glob("*") if path.name not in names]
    for segment in found.segments:
        known = {file.name for file in segment.files}
        strangers += [p for p in (segments / segment.name).glob("*") if p.name not in known]
    if strangers:
        place = strangers[0].relative_to(out)
        raise FolderInUseError(str(out), f"holds {str(place)!r:.80}, which no split wrote")


def _swap(folder: Path, out: Path) -> None:
    if not out.exists():
        folder.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
    out.rename(old)
    try:
        folder.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)
