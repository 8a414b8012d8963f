"""``paceline verify``."""

from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from fleet import inputs
from fleet import verify as verifying
from fleet.errors import OutputsDifferError
from fleet.verify import DEFAULT_METRIC, VerifyReport, VerifyRequest
from paceline.options import OutputOptions
from paceline.output import Output, one_line
from paceline.verify_view import VerifyView, show

_SIZES: Final = 3
"""Of dynamic dimensions, where no inputs are given."""


def verify(
    folder: Path,
    /,
    *,
    model: Path | None = None,
    example: Annotated[Path | None, Parameter(name="--input")] = None,
    examples: Annotated[Path | None, Parameter(name="--inputs")] = None,
    metric: str = DEFAULT_METRIC,
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Show that the segments, one after the other, give what the whole model gives.

    Args:
        folder: What `paceline split` wrote.
        model: The model that was cut; else looked for where it was then.
        example: An .npz with one array for each input; else the golden frames, and two other
            sizes of dynamic dimensions.
        examples: A folder of such files; all are run.
        metric: Judges the outputs with optimisations on: max_error, cosine, top1, or a file of
            yours in fleet/metrics/.
        how: How to answer.
    """
    given: tuple[Path, ...] = () if example is None else (example,)
    given += () if examples is None else inputs.folder(examples)
    request = VerifyRequest(examples=given, sizes=_SIZES, metric=metric)
    output = how.output
    try:
        with VerifyView(output) as view:
            report = verifying.verify(folder, model, request, view)
    except OutputsDifferError as error:
        return _differ(output, error)
    output.result(report, lambda console: show(console, report))
    return 0


def _differ(output: Output, error: OutputsDifferError) -> int:
    """Print the report and why it is bad news: one object with ``--json``.

    Raises:
        OutputsDifferError: Without ``--json``, so that it is said as any other error is.
    """
    report = error.report
    assert isinstance(report, VerifyReport)
    if not output.as_json:
        show(output.people, report)
        raise error
    output.note(f"error: {error}")
    said: dict[str, Any] = msgspec.to_builtins(report)
    failure = {"error": {"code": error.code, "message": one_line(str(error))}}
    output.result({**failure, **said}, lambda _: None)
    return error.exit_code
