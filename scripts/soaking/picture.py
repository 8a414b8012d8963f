"""The soak as a picture: answers a second, latency, memory over time; the faults as marks."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from scripts.soaking.book import Told
from scripts.soaking.judge import Blow
from scripts.soaking.watch import Watched

WIDTH: Final = 1200
_LEFT: Final = 70
_RIGHT: Final = 30
_PANEL: Final = 190
_GAP: Final = 56
_TOP: Final = 60
_MOST_BINS: Final = 240
_LEAST_BIN_SECONDS: Final = 6.0
"""Three looks at every process fall into one."""
_COLOURS: Final = ("#2266aa", "#dd7722", "#229966", "#aa3355", "#7755bb", "#998811", "#555555")
_INK: Final = "#333"
_SHOWN: Final = ("client", "supervisor", "worker")

Line = list[tuple[float, float]]


def draw(
    path: Path,
    title: str,
    told: Mapping[str, Told],
    processes: Sequence[Watched],
    blows: Sequence[Blow],
    span: tuple[float, float],
) -> None:
    """Write the picture as SVG.

    Args:
        path: Where to.
        title: Its first line.
        told: What the clients said, by pipeline.
        processes: What was watched.
        blows: The faults.
        span: First and last instant, in monotonic seconds.
    """
    panels = [
        ("answers a second", "", {p: _rate(t, span) for p, t in told.items()}),
        ("latency, the median and the slowest", "ms", _latencies(told, span)),
        ("private memory, the sum over the processes of a kind", "MB", _memory(processes, span)),
    ]
    kinds = sorted({blow.kind for blow in blows})
    letters = {kind: chr(ord("A") + number) for number, kind in enumerate(kinds)}
    key = [f"{letter} {kind}" for kind, letter in letters.items()]
    height = _TOP + len(panels) * (_PANEL + _GAP) + 20 * (1 + len(key) // 6)
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="12"',
        f' width="{WIDTH}" height="{height}">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="24" font-size="17" fill="{_INK}">{escape(title)}</text>',
    ]
    for number, (name, unit, lines) in enumerate(panels):
        top = _TOP + number * (_PANEL + _GAP)
        out += _panel(top, name, unit, lines, span)
        for blow in blows:
            x, end = (_x(at, span) for at in (blow.began, blow.ended))
            out.append(
                f'<rect x="{x:.1f}" y="{top}" width="{max(1.0, end - x):.1f}" height="{_PANEL}"'
                ' fill="#cc2222" fill-opacity="0.22"/>'
            )
            if number == 0:
                out.append(f'<text x="{x:.1f}" y="{top - 4}" fill="#cc2222" font-size="11"'
                           f' text-anchor="middle">{letters[blow.kind]}</text>')  # fmt: skip
    for number, text in enumerate(key):
        x, y = _LEFT + 185 * (number % 6), height - 14 - 18 * ((len(key) - 1) // 6 - number // 6)
        out.append(f'<text x="{x}" y="{y}" fill="#cc2222">{escape(text)}</text>')
    out.append("</svg>")
    path.write_text("\n".join(out) + "\n")


def _panel(
    top: float, name: str, unit: str, lines: Mapping[str, Line], span: tuple[float, float]
) -> list[str]:
    most = _round_up(max((y for line in lines.values() for _, y in line), default=1.0))
    out = [
        f'<text x="{_LEFT}" y="{top - 20}" fill="{_INK}" font-weight="bold">{name}</text>',
        f'<rect x="{_LEFT}" y="{top}" width="{WIDTH - _LEFT - _RIGHT}" height="{_PANEL}"',
        ' fill="none" stroke="#bbb"/>',
    ]
    for part in range(5):
        y = top + _PANEL * (1 - part / 4)
        out.append(f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}" stroke="#eee"/>')
        label = f"{most * part / 4:g} {unit}".strip()
        out.append(
            f'<text x="{_LEFT - 6}" y="{y + 4}" fill="{_INK}" text-anchor="end">{label}</text>'
        )
    minutes = (span[1] - span[0]) / 60
    step = next((s for s in (1, 2, 5, 10, 15, 30, 60) if minutes / s <= 14), 120)
    for minute in range(0, int(minutes) + 1, step):
        x = _x(span[0] + 60 * minute, span)
        out.append(
            f'<text x="{x:.1f}" y="{top + _PANEL + 14}" fill="{_INK}" text-anchor="middle">'
            f"{minute} min</text>"
        )
    for number, (label, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(
            f"{_x(at, span):.1f},{top + _PANEL * (1 - value / most):.1f}" for at, value in line
        )
        out.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.3"/>'
        )
        x = WIDTH - _RIGHT - 105 * (len(lines) - number)
        out.append(f'<text x="{x}" y="{top - 20}" fill="{colour}">{escape(label)}</text>')
    return out


def _rate(told: Told, span: tuple[float, float]) -> Line:
    width = _width(span)
    counts = [0] * int((span[1] - span[0]) / width)
    for at in told.at:
        if span[0] <= at < span[0] + width * len(counts):
            counts[int((at - span[0]) / width)] += 1
    return [(span[0] + (n + 0.5) * width, count / width) for n, count in enumerate(counts)]


def _latencies(told: Mapping[str, Told], span: tuple[float, float]) -> dict[str, Line]:
    """Return the median and the slowest answer over time, of every pipeline together."""
    width = _width(span)
    bins: dict[int, list[float]] = defaultdict(list)
    for one in told.values():
        for at, seconds in zip(one.at, one.latency, strict=True):
            if span[0] <= at < span[1]:
                bins[int((at - span[0]) / width)].append(seconds * 1e3)
    middles = {n: span[0] + (n + 0.5) * width for n in bins}
    return {
        "slowest": [(middles[n], max(bins[n])) for n in sorted(bins)],
        "median": [(middles[n], statistics.median(bins[n])) for n in sorted(bins)],
    }


def _memory(processes: Sequence[Watched], span: tuple[float, float]) -> dict[str, Line]:
    width = _width(span)
    newest: dict[str, dict[int, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for process in processes:
        kind = process.role.split()[0]
        if kind not in _SHOWN:
            continue
        for sample in process.samples:
            place = int((sample.at - span[0]) / width)
            if place >= 0:
                newest[f"{kind}s"][place][process.pid] = sample.private_bytes / 1e6
    return {
        kind: [(span[0] + (n + 0.5) * width, sum(bins[n].values())) for n in sorted(bins)]
        for kind, bins in sorted(newest.items())
    }


def _width(span: tuple[float, float]) -> float:
    return max(_LEAST_BIN_SECONDS, (span[1] - span[0]) / _MOST_BINS)


def _x(at: float, span: tuple[float, float]) -> float:
    share = min(1.0, max(0.0, (at - span[0]) / (span[1] - span[0])))
    return _LEFT + share * (WIDTH - _LEFT - _RIGHT)


def _round_up(value: float) -> float:
    """Return the next number that is easily divided by four."""
    size = 1.0
    while size * 10 < value:
        size *= 10
    return next((size * step for step in (1, 2, 4, 8) if size * step >= value), size * 10)
