"""``paceline verify``."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter
from rich.console import Console

from fleet import inputs
from fleet import verify as verifying
from fleet.codec_effects import trial
from fleet.codec_effects.report import CodecsReport
from fleet.codec_effects.trial import CodecRequest
from fleet.errors import BadRequestError, CodecRefusedError, OutputsDifferError
from fleet.verify import DEFAULT_METRIC, VerifyReport, VerifyRequest
from paceline import codec_view
from paceline.bound_options import BoundOptions
from paceline.options import OutputOptions
from paceline.output import Output, one_line
from paceline.verify_view import VerifyView, show
from wire.errors import CodedError

_SIZES: Final = 3
"""Of dynamic dimensions, where no inputs are given."""


def verify(  # noqa: PLR0913 one for each option
    folder: Path,
    /,
    *,
    model: Path | None = None,
    example: Annotated[Path | None, Parameter(name="--input")] = None,
    examples: Annotated[Path | None, Parameter(name="--inputs")] = None,
    metric: str = DEFAULT_METRIC,
    codec: str | None = None,
    bounds: BoundOptions = BoundOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Show that the segments, one after the other, give what the whole model gives.

    Args:
        folder: What `paceline split` or `paceline pipeline compose` wrote.
        model: The model that was cut; else looked for where it was then.
        example: An .npz with one array for each input; else the golden frames, and two other
            sizes of dynamic dimensions.
        examples: A folder of such files; all are run.
        metric: Judges the outputs with optimisations on: max_error, cosine, top1, or a file of
            yours in fleet/metrics/.
        codec: Show what codecs do to the outputs instead, compared with raw edges: all, names such
            as fp16,int8_channel, or one for each edge as for deploy: 0=int8_channel,1=fp16.
        bounds: How far codecs may move the outputs.
        how: How to answer.
    """
    given: tuple[Path, ...] = () if example is None else (example,)
    given += () if examples is None else inputs.folder(examples)
    request = VerifyRequest(examples=given, sizes=_SIZES, metric=metric)
    output = how.output
    if codec is not None:
        if model is not None or metric != DEFAULT_METRIC:
            option = "--metric" if model is None else "--model"
            raise BadRequestError(option, "has no part in --codec, which compares with raw edges")
        return _codecs(
            folder, CodecRequest(codecs=codec, examples=given, bounds=bounds.bounds), output
        )
    if bounds.first:
        raise BadRequestError(bounds.first, "is for what codecs do (name them with --codec)")
    try:
        with VerifyView(output) as view:
            report = verifying.verify(folder, model, request, view)
    except OutputsDifferError as error:
        return _differ(output, error)
    output.result(report, lambda console: show(console, report))
    return 0


def _codecs(folder: Path, request: CodecRequest, output: Output) -> int:
    try:
        with VerifyView(output) as view:
            report = trial.effects(folder, request, view)
    except CodecRefusedError as error:
        found = error.report
        assert isinstance(found, CodecsReport)
        return _bad_news(output, error, found, lambda console: codec_view.show(console, found))
    output.result(report, lambda console: codec_view.show(console, report))
    return 0


def _differ(output: Output, error: OutputsDifferError) -> int:
    """Print the report and why it is bad news: one object with ``--json``.

    Raises:
        OutputsDifferError: Without ``--json``, so that it is said as any other error is.
    """
    report = error.report
    assert isinstance(report, VerifyReport)
    return _bad_news(output, error, report, lambda console: show(console, report))


def _bad_news(
    output: Output, error: CodedError, report: object, shown: Callable[[Console], None]
) -> int:
    """Print a report and why it is bad news; see `_differ`."""
    if not output.as_json:
        shown(output.people)
        raise error
    output.note(f"error: {error}")
    said: dict[str, Any] = msgspec.to_builtins(report)
    failure = {"error": {"code": error.code, "message": one_line(str(error))}}
    output.result({**failure, **said}, lambda _: None)
    return error.exit_code
