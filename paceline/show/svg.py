"""Pieces of an SVG file, as text: no scripts, no fonts or styles from elsewhere.

Whatever comes from a model's file goes through `escaped`: it is text there, never markup.
"""

import unicodedata
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

MONO: Final = 0.61
"""Width of a letter of the monospaced face, by its size."""
SANS: Final = 0.58
"""Width of a letter of the other face, on average, by its size; rather too much."""
_LIGHT: Final = """\
.page{fill:#ffffff}.ink{fill:#1b1f24}.muted{fill:#57606a}
.band0{fill:#eef2f6}.band1{fill:#ffffff}.edge{stroke:#8c959f}.grid{stroke:#d0d7de}
.area{fill:#54a3f7;fill-opacity:.34}.rim{stroke:#0a58b8}.blocked{fill:#8c959f}
.work{stroke:#b93a00}.weights{stroke:#12702f}.cut{stroke:#6639ba}.badge{fill:#6639ba}
.on-badge{fill:#ffffff}.halo{stroke:#ffffff}"""
_DARK: Final = """\
.page{fill:#0d1117}.ink{fill:#e6edf3}.muted{fill:#9da7b3}
.band0{fill:#1a212b}.band1{fill:#0d1117}.edge{stroke:#6e7681}.grid{stroke:#30363d}
.area{fill:#4493f8;fill-opacity:.34}.rim{stroke:#79b8ff}.blocked{fill:#6e7681}
.work{stroke:#ffa657}.weights{stroke:#56d364}.cut{stroke:#d2a8ff}.badge{fill:#d2a8ff}
.on-badge{fill:#0d1117}.halo{stroke:#0d1117}"""
_FORMS: Final = """\
text{font:12px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}
.title{font-size:18px;font-weight:600}.small{font-size:11px}.strong{font-weight:600}
.mono{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:11px}
.halo{stroke-width:4;stroke-linejoin:round;paint-order:stroke}
.end{text-anchor:end}.middle{text-anchor:middle}
.line{fill:none;stroke-width:2;stroke-linejoin:round}.weights{stroke-dasharray:7 4}
.rim{fill:none;stroke-width:1.25}.grid{stroke-width:1}.edge{stroke-width:1}
.cut{stroke-width:1.5;stroke-dasharray:2 3}.predicted{stroke-dasharray:.1 5;stroke-linecap:round}"""


def document(width: int, height: int, title: str, description: str, body: Sequence[str]) -> str:
    """Return a whole file; colours follow the reader's preference for light or dark."""
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return "\n".join(
        (
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escaped(title)}</title>",
            f"<desc>{escaped(description)}</desc>",
            f"<style>\n{_FORMS}\n{_LIGHT}\n@media (prefers-color-scheme:dark){{\n{_DARK}\n}}",
            "</style>",
            rect(0, 0, width, height, "page"),
            *body,
            "</svg>\n",
        )
    )


def escaped(name: str) -> str:
    """Return ``name`` as text of an XML file: what cannot be shown becomes a question mark."""
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name))


def text(x: float, y: float, content: str, kind: str = "ink") -> str:
    """Return a line of text; ``kind`` are classes."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escaped(content)}</text>'


def rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    """Return a filled rectangle."""
    size = f'width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"'
    return f'<rect x="{x:.1f}" y="{y:.1f}" {size} class="{kind}"/>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a straight line."""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} class="{kind}"/>'


def path(commands: Sequence[str], kind: str) -> str:
    """Return a path."""
    return f'<path d="{" ".join(commands)}" class="{kind}"/>'


def badge(x: float, y: float, label: str) -> str:
    """Return a short label on a filled pill around ``x, y``."""
    width = 9 + 7 * len(label)
    pill = f'x="{x - width / 2:.1f}" y="{y - 8:.1f}" width="{width}" height="16" rx="8"'
    words = text(x, y + 4, label, "on-badge small strong middle")
    return f'<rect {pill} class="badge"/>{words}'


def group(tooltip: str, parts: Sequence[str], kind: str) -> str:
    """Return ``parts`` with a text that shows when one points at them."""
    return f'<g class="{kind}"><title>{escaped(tooltip)}</title>{"".join(parts)}</g>'


def fitted(name: str, width: float, letter: float) -> str:
    """Return ``name``, its middle left out where it is wider than ``width``.

    Args:
        name: Any text.
        width: There is.
        letter: Width of one letter; letters of East Asian scripts are twice as wide.
    """
    room = int(width / letter)
    if columns(name) <= room:
        return name
    if room < 4:
        return ""
    tail = _beginning(name[::-1], (room - 1) // 2)[::-1]
    return f"{_beginning(name, room - 1 - (room - 1) // 2)}…{tail}"


def columns(name: str) -> int:
    """Return how many letters wide ``name`` is; those of East Asian scripts count twice."""
    return sum(map(_wide, name))


def _wide(letter: str) -> int:
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _beginning(name: str, room: int) -> str:
    for end, letter in enumerate(name):
        room -= _wide(letter)
        if room < 0:
            return name[:end]
    return name
