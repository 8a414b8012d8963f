"""What a soak shows people: a line each 10 s, and tables at the end."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from scripts.soaking.judge import Blow, Check, Growth

MARKS = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[dim]·[/]"}


def tables(
    console: Console, blows: Sequence[Blow], grown: Sequence[Growth], checks: Sequence[Check]
) -> None:
    """Print everything."""
    console.print(_faults(blows))
    if grown:
        console.print(_growth(grown))
    table = Table(title="Checks", title_justify="left", box=None, show_header=False)
    for check in checks:
        table.add_row(MARKS[check.passed], check.name, check.shown)
    console.print(table)


def by_kind(blows: Sequence[Blow]) -> list[dict[str, Any]]:
    """Return the median and the longest silence of each kind of fault."""
    kinds: dict[str, list[Blow]] = defaultdict(list)
    for blow in blows:
        kinds[blow.kind].append(blow)
    return [
        {
            "fault": kind,
            "times": len(found),
            "silence_seconds_p50": round(statistics.median(b.silence_seconds for b in found), 2),
            "silence_seconds_max": round(max(b.silence_seconds for b in found), 2),
            "bound_seconds": found[0].bound_seconds,
        }
        for kind, found in sorted(kinds.items())
    ]


def _faults(blows: Sequence[Blow]) -> Table:
    table = Table(
        title="Faults: the longest time without an answer", title_justify="left", box=None
    )
    table.add_column("fault")
    for name in ("times", "p50 s", "max s", "bound s"):
        table.add_column(name, justify="right")
    for row in by_kind(blows):
        bad = row["silence_seconds_max"] > row["bound_seconds"]
        table.add_row(
            row["fault"],
            str(row["times"]),
            f"{row['silence_seconds_p50']:.1f}",
            f"[red]{row['silence_seconds_max']:.1f}[/]"
            if bad
            else f"{row['silence_seconds_max']:.1f}",
            f"{row['bound_seconds']:g}",
        )
    return table


def _growth(grown: Sequence[Growth]) -> Table:
    table = Table(
        title="Processes, after warming up: private memory, its slope, open files",
        title_justify="left",
        box=None,
    )
    table.add_column("process", no_wrap=True)
    for name in ("min", "MB", "MB/h", "PSS MB/h", "files", "threads"):
        table.add_column(name, justify="right")
    for g in sorted(grown, key=lambda g: -g.seconds)[:12]:
        table.add_row(
            g.role,
            f"{g.seconds / 60:.1f}",
            f"{g.private_mb:.1f}",
            f"{g.private_mb_per_hour:+.2f}",
            f"{g.pss_mb_per_hour:+.2f}",
            f"{g.descriptors[0]:g} > {g.descriptors[1]:g}",
            f"{g.threads[0]:g} > {g.threads[1]:g}",
        )
    return table
