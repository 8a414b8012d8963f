"""Points over a diagonal, as an SVG file: what was predicted over what was measured."""

import math
from typing import NamedTuple

from paceline.show import svg

SIDE = 380
LEFT, TOP, GAP = 84, 118, 110
STYLE = (
    "<style>.p0{fill:#0a58b8}.p1{fill:#12702f}.p2{fill:#b93a00}.even{stroke:#57606a}"
    ".near{stroke:#8c959f;stroke-dasharray:5 4}"
    "@media (prefers-color-scheme:dark){.p0{fill:#79b8ff}.p1{fill:#56d364}.p2{fill:#ffa657}}"
    "</style>"
)
NEAR = 0.10


class Point(NamedTuple):
    """One comparison."""

    measured: float
    predicted: float
    kind: int
    """Its colour."""
    words: str
    """What is shown where a pointer rests on it."""


class Panel(NamedTuple):
    """Points of one scale; both axes are logarithmic."""

    title: str
    unit: str
    points: list[Point]


def document(title, subtitle, panels, kinds):
    """Return the file; ``kinds`` are the names of colours."""
    width = LEFT + len(panels) * (SIDE + GAP)
    body = [STYLE, svg.text(24, 32, title, "ink title"), svg.text(24, 54, subtitle, "muted")]
    for place, name in enumerate(kinds):
        x = LEFT + 90 * place
        body += [f'<circle cx="{x}" cy="71" r="5" class="p{place}"/>',
                 svg.text(x + 10, 75, name, "muted small")]  # fmt: skip
    for number, panel in enumerate(panels):
        body += _panel(panel, LEFT + number * (SIDE + GAP))
    return svg.document(width, TOP + SIDE + 64, title, subtitle, body)


def _panel(panel, left):
    values = [v for point in panel.points for v in (point.measured, point.predicted)]
    low, high = math.log(min(values) * 0.85), math.log(max(values) * 1.18)

    def at(value):
        return SIDE * (math.log(value) - low) / (high - low)

    def xy(measured, predicted):
        return left + at(measured), TOP + SIDE - at(predicted)

    yield svg.rect(left, TOP, SIDE, SIDE, "band0")
    yield svg.text(left, TOP - 10, f"{panel.title}, {panel.unit}", "ink strong")
    for tick in _ticks(math.exp(low), math.exp(high)):
        x, y = xy(tick, tick)
        yield svg.line(x, TOP, x, TOP + SIDE, "grid")
        yield svg.line(left, y, left + SIDE, y, "grid")
        yield svg.text(x, TOP + SIDE + 18, f"{tick:g}", "muted small middle")
        yield svg.text(left - 8, y + 4, f"{tick:g}", "muted small end")
    ends = math.exp(low), math.exp(high)
    for factor, kind in ((1, "even"), (1 + NEAR, "near"), (1 / (1 + NEAR), "near")):
        first = max(ends[0], ends[0] / factor)
        last = min(ends[1], ends[1] / factor)
        yield svg.line(*xy(first, first * factor), *xy(last, last * factor), kind)
    for point in panel.points:
        x, y = xy(point.measured, point.predicted)
        tip = f"{point.words}: {point.measured:.4g} measured, {point.predicted:.4g} predicted"
        dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill-opacity="0.75"/>'
        yield svg.group(tip, [dot], f"p{point.kind}")
    yield svg.text(left + SIDE / 2, TOP + SIDE + 40, "measured", "muted middle")
    yield svg.text(left - 8, TOP - 10, "predicted", "muted small end")


def _ticks(low, high):
    step = 10 ** math.floor(math.log10(low))
    while step < high:
        for factor in (1, 2, 5):
            if low <= factor * step <= high:
                yield factor * step
        step *= 10
