"""What `paceline verify` shows: how far it is, on a terminal, and what it found."""

from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from fleet.verify import DEFAULT_METRIC, CaseReport, Progress, VerifyReport
from paceline.output import Output

SHOWN_CASES: Final = 12
"""More are counted; those that fail are shown first."""
SHOWN_INPUTS: Final = 2
_GOOD: Final = "green"
_BAD: Final = "bold red"


class VerifyView:
    """Takes `Progress`; a context manager. What it shows is gone when it ends."""

    def __init__(self, output: Output) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(24))
        self._bar = Bar(
            *columns,
            MofNCompleteColumn(),
            console=output.aside,
            transient=True,
            disable=not output.live,
        )
        self._task = self._bar.add_task("reading the split", total=None)

    def __call__(self, progress: Progress) -> None:
        """Show this instead of what was shown."""
        self._bar.update(
            self._task,
            description=progress.text,
            completed=progress.step - 1,
            total=progress.of,
            refresh=True,
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()


def show(console: Console, report: VerifyReport) -> None:
    """Print what was found, for people."""
    console.print(f"pipeline {report.pipeline}, compared with the {report.compared_with}")
    cases = list(report.cases)
    if len(cases) > SHOWN_CASES:
        cases.sort(key=lambda case: case.passes)
    console.print(_table(report, cases[:SHOWN_CASES]))
    rest = cases[SHOWN_CASES:]
    if rest:
        failed = sum(not case.passes for case in rest)
        said = f"{failed} of them fail" if failed else "all of them pass"
        console.print(f"  and {len(rest)} more: {said}", style=_BAD if failed else "dim")
    for tie in report.ties:
        count = f"{tie.count} of {tie.of} elements of {tie.tensor}"
        console.print(_indented(Text(f"tie: {count} ({tie.evidence})")))
    for note in report.notes:
        console.print(_indented(Text(f"note: {note}", style="dim")))


def _indented(text: Text) -> Padding:
    return Padding(text, (0, 0, 0, 2))


def _table(report: VerifyReport, cases: Sequence[CaseReport]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("  inputs", overflow="fold")
    table.add_column("sizes", overflow="fold")
    table.add_column("optimisations off")
    table.add_column("optimisations on")
    table.add_column("by up to", justify="right")
    for case in cases:
        by = "" if case.stopped else f"{case.max_abs_diff:.3g}"
        table.add_row(f"  {case.name}", _sizes(case), _off(case), _on(report, case), by)
    return table


def _sizes(case: CaseReport) -> str:
    """Return the shapes of a few inputs; of many, the dynamic dimensions alone."""
    if len(case.shapes) > SHOWN_INPUTS:
        return " ".join(f"{name}={size}" for name, size in case.sizes.items())
    return " ".join(f"{name}[{','.join(map(str, shape))}]" for name, shape in case.shapes.items())


def _off(case: CaseReport) -> Text:
    first, stopped = case.first_difference, case.stopped
    if stopped and not stopped.optimisations:
        return Text(f"{stopped.segment} does not run", style=_BAD)
    if case.bit_equal:
        return Text("equal bit by bit", style=_GOOD)
    if first and not first.optimisations:
        return Text(f"{first.tensor} differs", style=_BAD)
    return Text("within float16's tolerance", style=_GOOD)


def _on(report: VerifyReport, case: CaseReport) -> Text:
    if case.stopped:
        running = case.stopped.optimisations
        return Text(f"{case.stopped.segment} does not run" if running else "", style=_BAD)
    if report.metric == DEFAULT_METRIC:
        good = case.within_tolerance
        verdict = "within tolerance" if good else "beyond tolerance"
    else:
        first = case.first_difference
        good = case.passes or (first is not None and not first.optimisations)
        verdict = f"{report.metric} {case.score:.6g}"
    return Text(verdict, style=_GOOD if good else _BAD)
