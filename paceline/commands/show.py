"""``paceline show``."""

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from fleet import split_folder
from fleet import survey as surveying
from fleet.errors import BadRequestError
from fleet.split_folder import COMPOSED, MANIFEST_FILE, SplitReport
from fleet.survey import SurveyRequest
from paceline.dimensions import dimension
from paceline.options import OutputOptions
from paceline.show import pictures
from paceline.show.cut_picture import CutPicture, cut_picture
from paceline.show.errors import ModelGoneError, NothingToShowError, PictureUnwritableError
from paceline.show.tables import described, show_model, show_split
from wire.manifest import Manifest


def show(
    what: Path,
    /,
    *,
    svg: Path | None = None,
    time: Annotated[bool, Parameter(negative=())] = False,
    dim: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    example: Annotated[Path | None, Parameter(name="--input")] = None,
    model: Path | None = None,
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Show where a model may be cut and what its operators cost, or how it was cut.

    Args:
        what: A model, such as model.onnx or model.tflite, or a folder that `paceline split` wrote.
        svg: Draw it, too: what would cross a cut at each place, and where the cuts are.
        time: Run the model and time each operator; else it is run only where sizes are not known.
        dim: The size of a dynamic dimension, NAME=N; may be repeated.
        example: An .npz with one array for each input, where made-up ones do not do.
        model: Where the model of a folder is; else looked for where it was cut.
        how: How to answer.
    """
    if svg is not None and svg.suffix.lower() != ".svg":
        raise BadRequestError(f"--svg {svg}", "is no name of an .svg file")
    dims = dict(dimension(text) for text in dim)
    if not what.exists():
        raise NothingToShowError(str(what), "is not there")
    if what.is_dir():
        if dims or example is not None:
            given = "--dim" if dims else "--input"
            raise BadRequestError(given, "a split says its sizes itself")
        if time and svg is None:
            raise BadRequestError("--time", "the operators of a split are timed for --svg alone")
        return _show_folder(what, svg, model, how, time=time)
    if model is not None:
        raise BadRequestError("--model", f"{what} is no folder")
    return _show_model(what, SurveyRequest(dims=dims, example=example, time=time), svg, how)


def _show_model(model: Path, request: SurveyRequest, svg: Path | None, how: OutputOptions) -> int:
    output = how.output
    with output.progress() as tell:
        survey = surveying.survey(model, request, tell)
    if svg is not None:
        _draw(svg, pictures.of_model(survey))
    found = {**msgspec.to_builtins(survey), "svg": str(svg) if svg else None}
    output.result(found, lambda console: show_model(console, survey))
    if svg is not None:
        output.note(f"drawn in {svg}")
    return 0


def _show_folder(
    folder: Path, svg: Path | None, model: Path | None, how: OutputOptions, *, time: bool
) -> int:
    if not (folder / MANIFEST_FILE).is_file():
        raise NothingToShowError(str(folder), f"holds no {MANIFEST_FILE}, so no split wrote it")
    output = how.output
    made = split_folder.read(folder)
    report = split_folder.read_report(folder)
    if svg is not None:
        if made.cut_space == COMPOSED:
            raise BadRequestError("--svg", "it was composed of stages: there is no whole to draw")
        at_hand = _model(folder, made, report, model)
        request = surveying.request_of_split(folder, made, time=time)
        with output.progress() as tell:
            survey = surveying.survey(at_hand, request, tell)
        _draw(svg, pictures.of_split(survey, made, report))
    found = {**described(folder, made, report), "svg": str(svg) if svg else None}
    output.result(found, lambda console: show_split(console, folder, made, report))
    if svg is not None:
        output.note(f"drawn in {svg}")
    return 0


def _model(folder: Path, made: Manifest, report: SplitReport | None, given: Path | None) -> Path:
    """Return where the model of a split is: the one that was cut, or none."""
    path = given or (Path(report.source) if report else None)
    if path is None:
        raise ModelGoneError(str(folder), made.model.name, "may be anywhere")
    if given is None and not path.is_file():
        raise ModelGoneError(str(folder), str(path), "is not there any more")
    if not surveying.is_model_of(path, made):
        raise ModelGoneError(str(folder), str(path), "is another one than was cut")
    return path


def _draw(path: Path, picture: CutPicture) -> None:
    try:
        path.write_text(cut_picture(picture), encoding="utf-8")
    except OSError as error:
        raise PictureUnwritableError(str(path), error.strerror or str(error)) from error
