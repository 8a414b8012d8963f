"""What is expected of a model on the Edge TPU, and what its compiler made of it, for people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleet.edgetpu import compiler
from fleet.edgetpu.check import BEHIND
from fleet.edgetpu.report import EdgeTpuReport, SegmentReport
from paceline.formatting import counted, size_text
from paceline.output import one_line

_AROUND: Final = frozenset({"QUANTIZE", "DEQUANTIZE"})
"""What a quantiser puts around an operator that stays in float."""
_GOOD, _BAD, _DIM = "green", "yellow", "dim"


def described(folder: Path, report: EdgeTpuReport) -> Mapping[str, object]:
    """Return what ``--json`` prints of it."""
    plain: dict[str, object] = msgspec.to_builtins(report)
    return {**plain, "commands": _commands(folder, report)}


def show(console: Console, folder: Path, report: EdgeTpuReport) -> None:
    """Print what is expected, what was compiled, and what is to be done.

    Args:
        console: Where to.
        folder: Of the split.
        report: Of it.
    """
    total = sum(row.count for row in report.operators)
    mapped = sum(row.count for row in report.operators if row.mapped)
    console.print(
        f"\nEdge TPU (runtime {report.runtime}): {mapped} of {counted(total, 'operator')} of the"
        " model should map"
    )
    console.print(_operators(report))
    if 2 * mapped < total:
        console.print(
            "Most of it stays on the CPU, where an Edge TPU gains nothing. What keeps it there:"
            f" {_keepers(report)}. Export the model with other operators (docs/coral.md,"
            " 'Quantise a model').",
            style=_BAD,
        )
    for caution in report.cautions:
        console.print(f"note: {caution}", style=_DIM)
    console.print()
    console.print(_segments(report))
    for segment in report.segments:
        if said := _said(segment):
            console.print(said, style=_BAD)
    if lines := _commands(folder, report):
        console.print(
            f"\n{compiler.PROGRAM} is not on PATH; it runs on x86-64 Debian and Ubuntu alone"
            f" (docs/coral.md says how to get it). There, beside a copy of {folder}:"
        )
        for line in lines:
            console.print(f"  {line}", soft_wrap=True)
        console.print(
            f"Then bring {_into(folder)} here, and give the same command with --compiled"
            f" {_into(folder)}"
        )


def _operators(report: EdgeTpuReport) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("operator")
    table.add_column("count", justify="right")
    table.add_column("runs on")
    why = "" if all(row.mapped for row in report.operators) else "why not the Edge TPU"
    table.add_column(why, overflow="fold")
    for row in report.operators:
        where = Text("Edge TPU", style=_GOOD) if row.mapped else Text("CPU", style=_BAD)
        first = f" (first: {one_line(row.first):.60})" if row.first else ""
        table.add_row(
            one_line(row.kind), str(row.count), where, "" if row.mapped else f"{row.reason}{first}"
        )
    return table


def _keepers(report: EdgeTpuReport) -> str:
    """Return what keeps all behind it on the CPU; what stands only around it is left out."""
    kinds = [row.kind for row in report.operators if not row.mapped and row.reason != BEHIND]
    found = [kind for kind in kinds if kind not in _AROUND] or kinds
    return ", ".join(dict.fromkeys(map(one_line, found)))


def _segments(report: EdgeTpuReport) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("segment")
    for title in ("weights", "Edge TPU", "CPU", "on chip", "streamed each frame"):
        table.add_column(title, justify="right")
    table.add_column("by")
    for one in report.segments:
        table.add_row(one.name, size_text(one.weight_bytes), *_fared(one))
    return table


def _fared(one: SegmentReport) -> tuple[str, ...]:
    """Return what runs where and what stays where, as compiled, else as expected."""
    log = one.log
    if not one.compiled or log is None:
        by = "published rules" if log is None else "the compiler: nothing maps"
        return (
            str(one.expected_edgetpu if log is None else 0),
            str(one.expected_cpu if log is None else one.expected_cpu + one.expected_edgetpu),
            f"~ {size_text(one.expected_on_chip_bytes)}" if log is None else "",
            f"~ {size_text(one.expected_off_chip_bytes)}" if log is None else "",
            by,
        )
    return (
        _number(log.edgetpu_operators),
        _number(log.cpu_operators),
        _size(log.on_chip_bytes),
        _size(log.off_chip_bytes),
        f"compiler {log.version or 'of unknown version'}",
    )


def _said(one: SegmentReport) -> str:
    """Return what people should do about a segment; empty: nothing."""
    off_chip = one.expected_off_chip_bytes
    if one.log is not None and one.log.off_chip_bytes is not None:
        off_chip = one.log.off_chip_bytes
    if off_chip:
        return (
            f"{one.name}: {size_text(off_chip)} of weights do not fit the Edge TPU's memory and"
            " travel to it for every frame; more --stages give it less"
        )
    return ""


def _number(value: int | None) -> str:
    return "?" if value is None else str(value)


def _size(value: int | None) -> str:
    return "?" if value is None else size_text(value)


def _into(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-compiled")


def to_compile(report: EdgeTpuReport) -> list[str]:
    """Return the segments that the compiler has not seen."""
    return [one.name for one in report.segments if not one.compiled and one.log is None]


def _commands(folder: Path, report: EdgeTpuReport) -> list[str]:
    return compiler.commands(folder, to_compile(report), _into(folder), report.min_runtime)
