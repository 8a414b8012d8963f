"""The picture of a measured pipeline: throughput and latency over frames in flight. Pure."""

import math
from collections.abc import Callable, Sequence
from typing import Final

from paceline.bench.pipeline_view import PipelineReport
from paceline.show import svg

_WIDTH: Final = 760
_LEFT: Final = 84
_RIGHT: Final = 28
_TOP: Final = 96
_PANEL: Final = 170
_GAP: Final = 56
_HEIGHT: Final = _TOP + 2 * _PANEL + _GAP + 62
_LINES: Final = 4
_STEPS: Final = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0)
"""What lines of a scale may be apart, times a power of ten."""


def curve(report: PipelineReport) -> str:
    """Return the SVG file."""
    windows = [level.concurrency for level in report.levels]
    rates = [level.frames_per_second for level in report.levels]
    p50 = [level.latency_seconds.p50 for level in report.levels]
    p95 = [level.latency_seconds.p95 for level in report.levels]
    told = {level.concurrency: level.predicted for level in report.levels if level.predicted}
    rates_told = [one.frames_per_second for one in told.values()]
    p50_told = [one.latency_p50_seconds for one in told.values()]
    p95_told = [one.latency_p95_seconds for one in told.values()]
    fastest, longest = _scale([*rates, *rates_told]), _scale([*p95, *p95_told])
    second = _TOP + _PANEL + _GAP
    where = ", ".join(stage.device for stage in report.stages)
    title = f"{report.pipeline}: {max(rates):.1f} frames/s"
    subtitle = f"on {where}; recommended window {report.recommended_window}"
    body = [
        svg.text(_LEFT, 32, title, "ink title"),
        svg.text(_LEFT, 52, f"{subtitle}; load before {report.load_average:.1f}", "muted"),
        *_recommended(windows, report.recommended_window),
        *_panel(_TOP, "frames/s", fastest, lambda value: f"{value:.4g}"),
        *_line(windows, rates, fastest, _TOP, "rim line"),
        *_panel(second, "latency", longest, lambda value: f"{value * 1000:.4g} ms"),
        *_line(windows, p50, longest, second, "weights line"),
        *_line(windows, p95, longest, second, "work line"),
        *_marks(windows),
        *_legend(second - 14),
    ]
    if told:
        at = [_x(windows, window) for window in told]
        body += [
            _way(at, rates_told, fastest, _TOP, "rim line predicted"),
            _way(at, p50_told, longest, second, "weights line predicted"),
            _way(at, p95_told, longest, second, "work line predicted"),
            svg.text(_WIDTH - _RIGHT, second - 14, "dotted: predicted", "muted small end"),
        ]
    return svg.document(_WIDTH, _HEIGHT, title, subtitle, body)


def _panel(top: float, name: str, largest: float, words: Callable[[float], str]) -> list[str]:
    made = [svg.text(_LEFT, top - 14, name, "ink strong")]
    for step in range(_LINES + 1):
        y = top + _PANEL * (1 - step / _LINES)
        made.append(svg.line(_LEFT, y, _WIDTH - _RIGHT, y, "grid"))
        made.append(svg.text(_LEFT - 8, y + 4, words(largest * step / _LINES), "muted small end"))
    return made


def _scale(values: Sequence[float]) -> float:
    """Return the top of a scale with round steps that holds all values."""
    step = max(values) / _LINES
    power = 10.0 ** math.floor(math.log10(step))
    return _LINES * power * next(round_ for round_ in _STEPS if round_ * power >= step * 0.999)


def _line(
    windows: Sequence[int], values: Sequence[float], largest: float, top: float, kind: str
) -> list[str]:
    at = [_x(windows, window) for window in windows]
    points = zip(at, values, strict=True)
    dots = [svg.rect(x - 2.5, _y(value, largest, top) - 2.5, 5, 5, "ink") for x, value in points]
    return [_way(at, values, largest, top, kind), *dots]


def _way(
    at: Sequence[float], values: Sequence[float], largest: float, top: float, kind: str
) -> str:
    points = enumerate(zip(at, values, strict=True))
    commands = [
        f"{'L' if n else 'M'}{x:.1f} {_y(value, largest, top):.1f}" for n, (x, value) in points
    ]
    return svg.path(commands, kind)


def _y(value: float, largest: float, top: float) -> float:
    return top + _PANEL * (1 - value / largest)


def _x(windows: Sequence[int], window: int) -> float:
    span = (windows[-1] - windows[0]) or 1
    return _LEFT + 12 + (_WIDTH - _LEFT - _RIGHT - 24) * (window - windows[0]) / span


def _marks(windows: Sequence[int]) -> list[str]:
    y = _HEIGHT - 34
    made = [svg.text(_x(windows, w), y, str(w), "muted small middle") for w in windows]
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    return [*made, svg.text(middle, y + 20, "frames in flight", "ink middle")]


def _recommended(windows: Sequence[int], window: int) -> list[str]:
    x = _x(windows, window)
    return [
        svg.line(x, _TOP - 10, x, _TOP + 2 * _PANEL + _GAP, "cut"),
        svg.badge(min(x, _WIDTH - _RIGHT - 28), _TOP - 18, "recommended"),
    ]


def _legend(y: float) -> list[str]:
    made = []
    for number, (name, kind) in enumerate((("p50", "weights line"), ("p95", "work line"))):
        x = _LEFT + 70 + 76 * number
        made += [svg.line(x, y - 4, x + 30, y - 4, kind), svg.text(x + 36, y, name, "muted small")]
    return made
