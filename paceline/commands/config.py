"""``paceline config show`` and ``paceline config validate``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from paceline import agent_config
from paceline.connection import unreadable_files
from paceline.options import OutputOptions, SiteOptions
from paceline.settings_errors import SettingsUnreadableError
from wire.errors import CodedError
from wire.reports import ConfigProblem, ConfigReport


def show(
    file: Path | None = None,
    /,
    *,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Print every setting and where it comes from.

    Args:
        file: An agent's configuration, such as /etc/paceline/agent.yaml; without it: the settings
            of this command line.
        where: The settings.
        how: How to answer.
    """
    if file is not None:
        values = agent_config.rows(file)
        how.output.result(
            {"file": str(file), "settings": values}, lambda console: _table(console, values)
        )
        return 0
    loaded = where.load()
    rows = loaded.rows()

    def people(console: Console) -> None:
        _table(console, rows)
        if not loaded.file.exists():
            console.print(f"\nNo settings file; it would be {loaded.file}", style="dim")

    how.output.result({"file": str(loaded.file), "settings": rows}, people)
    return 0


def validate(
    file: Path | None = None,
    /,
    *,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Print all that is wrong, each with its file, its line and what to do.

    Args:
        file: An agent's configuration, such as /etc/paceline/agent.yaml; without it: the settings
            of this command line.
        where: The settings.
        how: How to answer.
    """
    if file is not None:
        name, report = str(file), agent_config.report(file)
    else:
        name, report = _own(where)

    def people(console: Console) -> None:
        table = Table(box=None, pad_edge=False, show_header=False)
        for problem in report.problems:
            table.add_row(Text("problem", "red"), problem.message)
        for warning in report.warnings:
            table.add_row(Text("warning", "yellow"), warning)
        if not report.problems:
            table.add_row(Text("good", "green"), f"{name} can be used")
        console.print(table)

    output = how.output
    output.result({"file": name, **_plain(report)}, people)
    return agent_config.INVALID if report.problems else 0


def _own(where: SiteOptions) -> tuple[str, ConfigReport]:
    """Return the settings' file and what is wrong with the settings."""
    try:
        loaded = where.load()
    except CodedError as error:
        problem = ConfigProblem(code=error.code, message=str(error))
        return "settings", ConfigReport(problems=(problem,))
    errors = [
        SettingsUnreadableError(str(path), "cannot be read")
        for path in unreadable_files(loaded.settings)
    ]
    found = tuple(ConfigProblem(code=error.code, message=str(error)) for error in errors)
    return str(loaded.file), ConfigReport(problems=found)


def _plain(report: ConfigReport) -> dict[str, Any]:
    return {"problems": report.problems, "warnings": report.warnings}


def _table(console: Console, rows: Mapping[str, Mapping[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("setting", "value", "from"):
        table.add_column(title, overflow="fold")
    for key, row in rows.items():
        value = row["value"]
        table.add_row(key, "" if value is None else str(value), row["source"])
    console.print(table)
