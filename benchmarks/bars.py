"""Bars beside bars, as an SVG file: what the comparisons draw."""

import contextlib
import os
import platform
import sys
import time
from pathlib import Path
from typing import NamedTuple

from paceline.show import svg

LABEL = 176
COLUMN = 430
ROW = 20
TOP = 84
PANEL_GAP = 44
KINDS = ("bar0", "bar1", "bar2")
STYLE = (
    "<style>.bar0{fill:#0a58b8}.bar1{fill:#54a3f7}.bar2{fill:#8c959f}"
    "@media (prefers-color-scheme:dark){.bar0{fill:#79b8ff}.bar1{fill:#1f6feb}.bar2{fill:#6e7681}}"
    "</style>"
)


class Bar(NamedTuple):
    """One bar, of one or more pieces."""

    label: str
    parts: tuple[float, ...]
    text: str
    """What stands behind it."""


class Panel(NamedTuple):
    """Bars of one scale."""

    title: str
    bars: list[Bar]


def heading(title):
    """Return the first lines of a page of tables: how they were made, when and where."""
    command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    models = []
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    where = f"{os.cpu_count()} cores ({', '.join(dict.fromkeys(models)) or platform.machine()})"
    made = f"Made on {time.strftime('%Y-%m-%d')} by `{command}` on {where}, "
    return f"# {title}\n\n{made}Python {platform.python_version()}."


def document(title, subtitle, columns, strong=()):
    """Return the file.

    Args:
        title: Its title.
        subtitle: How it came about.
        columns: Heading, names of a bar's pieces (empty: one piece), and panels, of each column.
        strong: Labels to be set in bold.
    """
    width = 24 + len(columns) * (LABEL + COLUMN)
    panels = columns[0][2]
    height = TOP + sum(PANEL_GAP + ROW * len(panel.bars) for panel in panels) + 24
    body = [STYLE, svg.text(24, 32, title, "ink title"), svg.text(24, 54, subtitle, "muted")]
    for number, (heading, names, of) in enumerate(columns):
        left = 24 + number * (LABEL + COLUMN)
        body.append(svg.text(left + LABEL, TOP, heading, "ink strong"))
        for place, name in enumerate(names):
            x = left + LABEL + 130 + 84 * place
            body.append(svg.rect(x, TOP - 9, 10, 10, KINDS[place]))
            body.append(svg.text(x + 15, TOP, name, "muted small"))
        top = TOP
        for panel in of:
            top += PANEL_GAP
            body += _panel(panel, left, top - 12, strong)
            top += ROW * len(panel.bars)
    return svg.document(width, height, title, subtitle, body)


def _panel(panel, left, top, strong):
    yield svg.text(left + LABEL, top, panel.title, "muted strong")
    largest = max(sum(bar.parts) for bar in panel.bars)
    room = COLUMN - 90
    for row, bar in enumerate(panel.bars):
        y = top + 8 + row * ROW
        kind = "ink small end strong" if bar.label in strong else "ink small end"
        yield svg.text(left + LABEL - 8, y + 12, bar.label, kind)
        x = left + LABEL
        for part, fill in zip(bar.parts, KINDS, strict=False):
            yield svg.rect(x, y + 2, room * part / largest, ROW - 6, fill)
            x += room * part / largest
        yield svg.text(x + 6, y + 12, bar.text, "muted small")
