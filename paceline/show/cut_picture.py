"""Draw what crosses between a model's operators, and where it is cut: data in, SVG out.

From left to right are the operators in order. The filled area is what one frame would carry
across a cut there, on a square-root scale: zero is at the bottom, and a narrow place beside a wide
one can still be seen. The lines are what part of the work and of the weights is before a place.
Cuts are numbered; what they carry is told below, where there is room.

Pure: no I/O.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Final

from paceline.formatting import size_text
from paceline.show import svg
from paceline.show.layout import badge_rows, byte_ticks, joined, place_ticks, runs

WIDTH: Final = 1000
LEFT: Final = 84
RIGHT: Final = 948
PLOT_HEIGHT: Final = 300
STRIP_HEIGHT: Final = 38
"""Of the segments' names above the plot."""
ROW_HEIGHT: Final = 20
_HEADROOM: Final = 1.04
_COLUMNS: Final = (LEFT, LEFT + 112, LEFT + 184, LEFT + 264, LEFT + 362)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """A line from 0 to 1: before each operator, and after the last."""

    label: str
    heading: str
    """The same in a few letters, above numbers."""
    kind: str
    """The class of its colour: ``work`` or ``weights``."""
    values: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A place along the order that is marked."""

    at: int
    tensors: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of operators up to the next cut."""

    name: str
    share: str
    """What part it has of what, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutPicture:
    """All that is drawn; names may be anything."""

    title: str
    subtitle: str
    crossing_bytes: Sequence[int]
    """Before each operator, and after the last; at least one."""
    cuttable: Sequence[bool]
    """The same: whether all that crosses there can travel."""
    lines: Sequence[Shares]
    cuts: Sequence[Cut]
    """In order."""
    cuts_are: str
    """What the marked places are, such as ``cuts``."""
    segments: Sequence[Segment] = ()
    """One more than cuts, or none."""


def cut_picture(picture: CutPicture) -> str:
    """Return the picture as an SVG file that needs nothing else."""
    drawing = _Drawing(picture)
    return svg.document(
        WIDTH, drawing.height, picture.title, picture.subtitle, list(drawing.parts())
    )


class _Drawing:
    """Where everything goes."""

    def __init__(self, picture: CutPicture) -> None:
        self.picture = picture
        self.end = len(picture.crossing_bytes) - 1
        self.most = max(picture.crossing_bytes)
        self.rows = badge_rows([self.x(cut.at) for cut in picture.cuts])
        self.strip = 96
        self.badges = self.strip + (STRIP_HEIGHT if picture.segments else 0)
        self.top = self.badges + 20 * (1 + max(self.rows, default=-1)) + 4
        self.bottom = self.top + PLOT_HEIGHT
        self.list = self.bottom + 66
        listed = ROW_HEIGHT * (len(picture.cuts) + 1) if picture.cuts else 0
        self.height = self.list + listed

    def x(self, place: float) -> float:
        return LEFT + (RIGHT - LEFT) * place / max(self.end, 1)

    def y(self, size_bytes: float) -> float:
        return self.bottom - PLOT_HEIGHT * sqrt(size_bytes / max(self.most, 1)) / _HEADROOM

    def share_y(self, share: float) -> float:
        return self.bottom - PLOT_HEIGHT * share / _HEADROOM

    def parts(self) -> Iterator[str]:
        title = svg.fitted(self.picture.title, WIDTH - 40, 18 * 0.6)
        yield svg.text(20, 32, title, "ink title")
        subtitle = svg.fitted(self.picture.subtitle, WIDTH - 40, 12 * svg.SANS)
        yield svg.text(20, 53, subtitle, "muted")
        yield from self.legend()
        yield from self.bands()
        yield from self.axes()
        yield from self.area()
        for shares in self.picture.lines:
            yield svg.path(list(self.polyline(shares.values)), f"line {shares.kind}")
        yield from self.cuts()
        yield from self.listed()

    def legend(self) -> Iterator[str]:
        x, y = float(LEFT), 80
        yield svg.rect(x, y - 10, 22, 11, "area")
        yield svg.line(x, y - 10, x + 22, y - 10, "rim")
        entries = [("", "bytes that cross (left, square root)")]
        entries += [(f"line {s.kind}", f"{s.label} (right)") for s in self.picture.lines]
        if self.picture.cuts:
            entries.append(("cut", self.picture.cuts_are))
        if not all(self.picture.cuttable[1:-1]):
            entries.append(("blocked", "cannot be cut"))
        for kind, label in entries:
            if kind == "blocked":
                yield svg.rect(x, y - 7, 22, 5, kind)
            elif kind:
                yield svg.line(x, y - 4, x + 22, y - 4, kind)
            yield svg.text(x + 28, y, label, "muted")
            x += 50 + 12 * 0.53 * len(label)

    def bands(self) -> Iterator[str]:
        marks = [0, *(cut.at for cut in self.picture.cuts), self.end]
        if not self.picture.segments:
            yield svg.rect(LEFT, self.top, RIGHT - LEFT, PLOT_HEIGHT, "band1")
            return
        stretches = zip(self.picture.segments, pairwise(marks), strict=True)
        for number, (segment, (begin, stop)) in enumerate(stretches):
            x, width = self.x(begin), self.x(stop) - self.x(begin)
            height = self.bottom - self.strip
            words = self.band_words(number, segment, x + width / 2, width - 6)
            shade = svg.rect(x, self.strip, width, height, f"band{number % 2}")
            yield svg.group(f"{segment.name}: {segment.share}", [shade, *words], "segment")

    def band_words(
        self, number: int, segment: Segment, middle: float, room: float
    ) -> Iterator[str]:
        name = svg.fitted(segment.name, room, 12 * svg.SANS)
        if "…" in name or not name:
            name = svg.fitted(str(number), room, 12 * svg.SANS) or str(number)
        if room > 6:
            yield svg.text(middle, self.strip + 15, name, "ink strong middle")
        share = svg.fitted(segment.share, room, 11 * 0.55)
        if share and "…" not in share:
            yield svg.text(middle, self.strip + 30, share, "muted small middle")
        elif room > 30:
            short = svg.fitted(segment.share.partition(" of ")[0], room, 11 * 0.55)
            yield svg.text(middle, self.strip + 30, short, "muted small middle")

    def axes(self) -> Iterator[str]:
        for size_bytes in byte_ticks(self.most):
            y = self.y(size_bytes)
            yield svg.line(LEFT, y, RIGHT, y, "grid")
            label = size_text(size_bytes).replace(".0 ", " ")
            yield svg.text(LEFT - 8, y + 4, label, "muted small end")
        for percent in (0, 25, 50, 75, 100) if self.picture.lines else ():
            y = self.share_y(percent / 100)
            yield svg.line(RIGHT, y, RIGHT + 5, y, "edge")
            yield svg.text(RIGHT + 8, y + 4, f"{percent} %", "muted small")
        for place in place_ticks(self.end):
            x = self.x(place)
            yield svg.line(x, self.bottom, x, self.bottom + 5, "edge")
            yield svg.text(x, self.bottom + 18, str(place), "muted small middle")
        middle = (LEFT + RIGHT) / 2
        yield svg.text(middle, self.bottom + 36, "operators, in order", "muted small middle")

    def area(self) -> Iterator[str]:
        """Yield steps: what crosses at a place is drawn from half before it to half behind it."""
        sizes = self.picture.crossing_bytes
        steps = [f"M{LEFT} {self.y(sizes[0]):.1f}"]
        for place, (before, size_bytes) in enumerate(pairwise(sizes), start=1):
            if size_bytes != before:
                steps += [f"H{self.x(place - 0.5):.1f}", f"V{self.y(size_bytes):.1f}"]
        steps.append(f"H{RIGHT}")
        yield svg.path([*steps, f"V{self.bottom}", f"H{LEFT}", "Z"], "area")
        yield svg.path(steps, "rim")
        yield svg.line(LEFT, self.bottom, RIGHT, self.bottom, "edge")
        for begin, stop in runs(self.picture.cuttable):
            x = self.x(begin - 0.5)
            yield svg.rect(x, self.bottom - 5, self.x(stop - 0.5) - x, 5, "blocked")

    def polyline(self, values: Sequence[float]) -> Iterator[str]:
        last, skipped = "", ""
        for place, share in enumerate(values):
            y = f"{self.share_y(min(max(share, 0.0), 1.0)):.1f}"
            point = f"{self.x(place):.1f} {y}"
            if y == last:
                skipped = point
                continue
            if skipped:
                yield f"L{skipped}"
            yield f"{'L' if last else 'M'}{point}"
            last, skipped = y, ""
        if skipped:
            yield f"L{skipped}"

    def cuts(self) -> Iterator[str]:
        for number, cut in enumerate(self.picture.cuts):
            x, y = self.x(cut.at), self.badges + 12 + 20 * self.rows[number]
            mark = svg.line(x, y + 8, x, self.bottom, "cut")
            tooltip = f"{number + 1}: {' + '.join(cut.tensors)}"
            yield svg.group(tooltip, [mark, svg.badge(x, y, str(number + 1))], "mark")

    def listed(self) -> Iterator[str]:
        if not self.picture.cuts:
            return
        titles = ["operators before", "sends", *(shares.heading for shares in self.picture.lines)]
        y = float(self.list)
        for x, title in zip(_COLUMNS, titles, strict=False):
            yield svg.text(x, y, title, "muted small")
        begin = _COLUMNS[len(titles)]
        yield svg.text(begin, y, "tensors", "muted small")
        for number, cut in enumerate(self.picture.cuts):
            y += ROW_HEIGHT
            cells = [str(cut.at), size_text(self.picture.crossing_bytes[cut.at])]
            cells += [f"{shares.values[cut.at]:.0%}" for shares in self.picture.lines]
            yield svg.badge(LEFT - 28, y - 4, str(number + 1))
            for x, cell in zip(_COLUMNS, cells, strict=False):
                yield svg.text(x, y, cell.replace("%", " %"), "ink small")
            names = joined(cut.tensors, int((WIDTH - 20 - begin) / (11 * svg.MONO)))
            yield svg.text(begin, y, names, "ink mono")
