"""``paceline verify``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from fleet import inputs, split_folder
from fleet import verify as verifying
from fleet.errors import OutputsDifferError
from fleet.verify import VerifyReport
from paceline.options import OutputOptions


def verify(
    folder: Path,
    /,
    *,
    model: Path | None = None,
    example: Annotated[Path | None, Parameter(name="--input")] = None,
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Show that the segments, one after the other, give what the whole model gives.

    Args:
        folder: What `paceline split` wrote.
        model: The model that was cut; else looked for where it was then.
        example: An .npz with one array for each input; else the golden frames.
        how: How to answer.
    """
    given = None
    if example is not None:
        given = inputs.example(split_folder.read(folder).inputs, example).arrays
    output = how.output
    try:
        report = verifying.verify(folder, model, given)
    except OutputsDifferError as error:
        if isinstance(error.report, VerifyReport) and not output.as_json:
            _show(output.people, error.report)
        raise
    output.result(report, lambda console: _show(console, report))
    return 0


def _show(console: Console, report: VerifyReport) -> None:
    equal = "every bit is equal" if report.bit_equal else "not bit-equal"
    if report.first_difference:
        equal += f", first at {report.first_difference}"
    near = "within tolerance" if report.within_tolerance else "NOT within tolerance"
    console.print(f"pipeline {report.pipeline}, compared with the {report.compared_with}")
    console.print(f"  optimisations off: {equal}")
    console.print(f"  optimisations on:  {near} (largest difference {report.max_abs_diff:.3g})")
    for note in report.notes:
        console.print(f"  note: {note}", style="dim")
