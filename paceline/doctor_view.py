"""What `paceline doctor` shows: problems first, each with the line that repairs it."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from wire.reports import DoctorReport, Finding, Severity


class Look(NamedTuple):
    """How findings of one severity look."""

    title: str
    mark: str
    plain_mark: str
    style: str


LOOKS: Final[dict[Severity, Look]] = {
    "problem": Look("Problems", "✘", "x", "bold red"),
    "warning": Look("Warnings", "▲", "!", "yellow"),
    "note": Look("Notes", "●", "-", "cyan"),
    "ok": Look("Well", "✔", "+", "green"),
}


def show(console: Console, report: DoctorReport) -> None:
    """Print what was found, for people."""
    console.print(_head(report))
    for severity, look in LOOKS.items():
        findings = [f for e in report.examinations for f in e.findings if f.severity == severity]
        if findings:
            console.print()
            console.print(Text(look.title, style="bold"))
            console.print(_table(findings, look, console))
    console.print()
    console.print(_summary(report))


def _head(report: DoctorReport) -> Text:
    parts = [report.host]
    if report.version:
        parts.append(f"paceline {report.version}")
    if report.device is not None:
        where = f" ({report.config})" if report.config else ""
        parts.append(f"agent {report.device}{where}")
    return Text(", ".join(parts), style="dim")


def _table(findings: list[Finding], look: Look, console: Console) -> Table:
    mark = look.mark if "utf" in console.encoding.lower() else look.plain_mark
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(width=3, justify="right", style=look.style)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        table.add_row(mark, finding.id, finding.evidence)
        if finding.fix:
            table.add_row("", Text("fix", style="dim", justify="right"), Text(finding.fix, "bold"))
    return table


def _summary(report: DoctorReport) -> Text:
    problems, warnings = report.count("problem"), report.count("warning")
    seconds = sum(e.seconds for e in report.examinations)
    left_out = sum(e.left_out for e in report.examinations)
    said = Text(f"{', '.join(_counts(report))} in {seconds:.1f} s")
    said.stylize("bold red" if problems else "yellow" if warnings else "green")
    if left_out:
        said.append(f"; {left_out} findings left out: the answer was too large", style="dim")
    return said


def _counts(report: DoctorReport) -> Iterator[str]:
    one: dict[Severity, str] = {"problem": "problem", "warning": "warning", "note": "note"}
    for severity, word in one.items():
        count = report.count(severity)
        if count or severity == "problem":
            yield f"{count or 'no'} {word}{'' if count == 1 else 's'}"
    yield f"{report.count('ok')} well"
