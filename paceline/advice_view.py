"""What one more device would give, as people and programs read it."""

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from fleet.fleet_file.description import UNKNOWN
from fleet.model_plan.advice import Advice, Worth
from fleet.model_plan.kinds import Known
from paceline.output import one_line
from paceline.profile_view import time_text


def plain(known: Known, found: Sequence[Advice]) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    now, *additions = (_plain(one) for one in found)
    return {
        "model": msgspec.to_builtins(known.chain.model),
        "cut_space": known.chain.cut_space,
        "now": now,
        "additions": additions,
    }


def show(console: Console, known: Known, found: Sequence[Advice]) -> None:
    """Print a line for what there is and for each addition, and what is not known."""
    console.print(one_line(known.chain.model.name), style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True)
    for title in ("throughput", "latency"):
        table.add_column(title, justify="right", no_wrap=True)
        table.add_column("", justify="right", no_wrap=True)
        table.add_column("", style="dim", no_wrap=True)
    table.add_column("for throughput", overflow="ellipsis", no_wrap=True)
    for one in found:
        table.add_row(*_row(one))
    console.print(table)
    told: set[str] = set()
    if any(one.notes or one.unknown for one in found):
        console.print()
    for one in found:
        lines = [*one.notes, *(f"unknown: {why}" for why in one.unknown)]
        lines += [f"  {way}" for way in one.to_know]
        for line in lines:
            if line not in told:
                indent = "  " if line.startswith(" ") else ""
                console.print(f"{indent}{one_line(line)}", style="dim", soft_wrap=True)
        told.update(lines)
    console.print(
        "Splits are judged by sums of their operators; paceline plan --measure measures them.",
        style="dim",
    )


def _row(one: Advice) -> list[str]:
    name = f"+ {one_line(one.add)}" if one.add else "now"
    rate, latency = one.throughput, one.latency
    if rate is None or latency is None:
        value = "" if one.unknown else "nothing fits"
        origin = UNKNOWN.origin if one.unknown else ""
        return [name, value, "", origin, value, "", origin, ""]
    return [
        name,
        f"{rate.value:.4g} frames/s",
        _change(rate),
        rate.origin,
        time_text(latency.value),
        _change(latency),
        latency.origin,
        one_line(f"{rate.verdict}: {rate.to}"),
    ]


def _change(worth: Worth) -> str:
    return "" if worth.change is None else f"{worth.change:+.0%}".replace("%", " %")


def _plain(one: Advice) -> dict[str, Any]:
    worth: dict[str, Any] = msgspec.to_builtins(one)
    for goal in ("throughput", "latency"):
        if worth[goal] is None:
            worth[goal] = {"value": None, "origin": UNKNOWN.origin} if one.unknown else None
    return worth
