"""What codecs do to a pipeline, as people read it."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fleet.codec_effects.report import CodecReport, CodecsReport, EdgeReport, Figures
from fleet.edge_codecs import ENTRY
from paceline.formatting import size_text

WEAK: Final = (
    "the inputs were made up: such figures are weak evidence; give real ones with --inputs DIR"
)
_EXACT: Final = "unchanged"


def show(console: Console, report: CodecsReport) -> None:
    """Print what was found."""
    inputs = "1 input" if report.inputs == 1 else f"{report.inputs} inputs"
    made_up = " that we made up" if report.made_up else ""
    console.print(
        f"pipeline {report.pipeline}, compared with raw edges on {inputs}{made_up}", soft_wrap=True
    )
    raw = {_edge(edge): edge.raw_bytes for one in report.codecs for edge in one.edges}
    sizes = ", ".join(f"{edge}: {size_text(size)}" for edge, size in sorted(raw.items()))
    console.print(f"  a frame's tensors, raw: {sizes}", style="dim", soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("  codec", no_wrap=True)
    table.add_column("edge", no_wrap=True)
    scored = any(one.figures.top1 is not None for one in report.codecs)
    for title in ("relative L2", "max abs", *(["top-1"] if scored else []), "coded", "of raw"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in report.codecs:
        _add(table, one)
    console.print(table)
    for text in _notes(report):
        console.print(Padding(Text(f"note: {text}", style="dim"), (0, 0, 0, 2)))
    for one in report.codecs:
        if one.broken:
            console.print(Text(f"  refused: {one.codec}: {', '.join(one.broken)}", "bold red"))
        elif one.kept:
            console.print(Text(f"  within the bounds: {one.codec}: {', '.join(one.kept)}", "green"))


def _add(table: Table, one: CodecReport) -> None:
    """Add a line for all edges together, and one for each alone where there are several."""
    style = "bold red" if one.broken else ""
    several = len(one.edges) > 1
    edge = "all" if several else _edge(one.edges[0])
    table.add_row(Text(f"  {one.codec}", style), edge, *_cells(one.figures, one.edges))
    if several:
        for alone in one.edges:
            table.add_row("", _edge(alone), *_cells(alone.alone, (alone,)), style="dim")


def _edge(edge: EdgeReport) -> str:
    return edge.edge if edge.edge == ENTRY else f"{edge.edge} → {int(edge.edge) + 1}"


def _cells(figures: Figures, edges: Sequence[EdgeReport]) -> tuple[str, ...]:
    """Return the columns behind the edge's: agreement is left out where no output has any."""
    raw, sent = sum(edge.raw_bytes for edge in edges), sum(edge.bytes for edge in edges)
    same = figures.max_abs == 0
    return (
        _EXACT if same else f"{figures.relative_l2:.2g}",
        "" if same else f"{figures.max_abs:.2g}",
        *([] if figures.top1 is None else [f"{100 * figures.top1:.4g} %"]),
        size_text(sent),
        f"{100 * sent / raw:.0f} %" if raw else "",
    )


def _notes(report: CodecsReport) -> list[str]:
    kept: dict[str, dict[str, None]] = {}
    for one in report.codecs:
        for edge in one.edges:
            for name in edge.travels_raw:
                kept.setdefault(f"{name} of edge {edge.edge}", {})[edge.codec] = None
    notes = [f"{what} travels raw with {', '.join(codecs)}" for what, codecs in kept.items()]
    return [*notes, *([WEAK] if report.made_up else [])]
