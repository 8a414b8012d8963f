"""What `paceline pipeline compose` shows: the stages, and what is between them."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleet.compose.contract import Contract
from fleet.compose.report import ComposeReport, JointReport, ReferenceReport, StageReport
from paceline.formatting import counted, size_text
from paceline.output import one_line

_GOOD: Final = "green"
_ADAPTED: Final = "yellow"


def show(console: Console, report: ComposeReport) -> None:
    """Print what was composed, for people."""
    console.print(f"pipeline {report.pipeline}, composed of {counted(len(report.stages), 'stage')}")
    console.print(_stages(report.stages))
    if report.joints:
        console.print("\nbetween them", style="bold")
        for joint in report.joints:
            _show_joint(console, joint)
    if report.reference is not None:
        _show_reference(console, report.reference)
    for note in report.notes:
        console.print(f"note: {one_line(note)}", style="dim")
    devices = ",".join(f"DEVICE{n + 1}" for n in range(len(report.stages)))
    # to be copied, each command is one line
    verify = f"paceline verify {report.folder}"
    console.print(f"\nWritten to {report.folder}. Next: {verify}", soft_wrap=True)
    console.print(f"and then: paceline deploy {report.folder} --to {devices}", soft_wrap=True)


def _stages(stages: Sequence[StageReport]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("segment", "format"):
        table.add_column(title)
    for title in ("operators", "weights", "sends"):
        table.add_column(title, justify="right")
    table.add_column("from", overflow="fold")
    for stage in stages:
        table.add_row(
            stage.segment,
            stage.format,
            str(stage.operators),
            size_text(stage.weight_bytes),
            size_text(stage.sends_bytes),
            one_line(stage.source),
        )
    return table


def _show_joint(console: Console, joint: JointReport) -> None:
    way = Text(f"  {joint.maker} > {joint.reader}  ")
    way.append(one_line(joint.tensor), style="bold")
    if not joint.steps:
        way.append(f"  {one_line(joint.made.kind)}, as it is")
    if joint.matched_by == "position":
        way.append("  (matched by position)", style="dim")
    console.print(way)
    if joint.steps:
        for title, said in (
            ("gives", _side(joint.made)),
            ("takes", _side(joint.wanted)),
            ("adapter", _adapter(joint)),
        ):
            row = Table.grid(padding=(0, 2))
            row.add_row(Text(f"    {title:7}", style="dim"), said)
            console.print(row)


def _side(contract: Contract) -> Text:
    said = Text(f"{one_line(contract.name)}  ", style="dim")
    return said.append(one_line(contract.kind), style="default not dim")


def _adapter(joint: JointReport) -> Text:
    steps = Text(joint.adapter, style=_ADAPTED)
    steps.append(f", in {joint.adapter_in}: ", style="default")
    apart = joint.quanta_apart or 0.0
    how = "equal to numpy bit by bit" if not apart else f"within {apart:.3g} quanta of numpy"
    return steps.append(how, style=_GOOD)


def _show_reference(console: Console, found: ReferenceReport) -> None:
    figures = found.figures
    top1 = "" if figures.top1 is None else f", top-1 agreement {figures.top1:.4g}"
    made_up = ", made up" if found.made_up else ""
    console.print(
        f"\ncompared with {one_line(found.model)} on {counted(found.samples, 'input')}{made_up}:"
        f" max abs {figures.max_abs:.3g}, relative L2 {figures.relative_l2:.3g}{top1}",
        soft_wrap=True,
    )
