"""Draw who was busy with which frame when, at the end of a simulated run. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from fleet.simulator.pipeline import Pipeline
from fleet.simulator.report import Report, ResourceUse
from fleet.simulator.trace import Resource, Span, Trace
from paceline.formatting import seconds_text
from paceline.show import svg
from paceline.simulate_view import in_order, name_of

WIDTH: Final = 1000
LEFT: Final = 170
RIGHT: Final = 800
TOP: Final = 96
ROW: Final = 34
BAR: Final = 22
THIN: Final = 12
"""The height of a link's bars; a device's are ``BAR``."""
SHARE: Final = 100
"""How long a bar for all of the time is."""
COLOURS: Final = 6
MOST_FRAMES: Final = 24
"""That end within what is shown."""
_STYLE: Final = (
    "<style>.f0{fill:#0a58b8}.f1{fill:#b93a00}.f2{fill:#12702f}.f3{fill:#6639ba}.f4{fill:#9a6700}"
    ".f5{fill:#a0346e}.on{fill:#ffffff}.held{fill:#8c959f;fill-opacity:.45}"
    "@media (prefers-color-scheme:dark){.f0{fill:#79b8ff}.f1{fill:#ffa657}.f2{fill:#56d364}"
    ".f3{fill:#d2a8ff}.f4{fill:#e3b341}.f5{fill:#f778ba}.on{fill:#0d1117}}</style>"
)
_STEPS: Final = (1.0, 2.0, 5.0, 10.0)


def gantt(pipeline: Pipeline, trace: Trace, report: Report) -> str:
    """Return the picture as an SVG file that needs nothing else."""
    drawing = Bars(pipeline, trace, report, TOP)
    title = "Steady state"
    subtitle = said(report)
    body = [svg.text(20, 32, title, "ink title"), svg.text(20, 53, subtitle, "muted")]
    body += drawing.parts()
    return svg.document(WIDTH, drawing.bottom, title, subtitle, body)


def _stretch(trace: Trace, report: Report) -> tuple[float, float]:
    """Return what is shown: the end, as long as a frame takes, but not too many of them."""
    endings = [ending for ending in trace.endings if ending.outcome == "result"]
    end = endings[-1].ended if endings else trace.endings[-1].ended
    if not endings or report.steady is None or not report.steady.frames_per_second.value:
        return max(0.0, end - 10.0), end
    gap = 1 / report.steady.frames_per_second.value
    wanted = max(6 * gap, 1.25 * endings[-1].latency_seconds)
    return max(0.0, end - min(wanted, MOST_FRAMES * gap)), end


def said(report: Report) -> str:
    """Return what a steady state came to, in a line."""
    steady = report.steady
    if steady is None or steady.latency_p50_seconds is None or steady.latency_p95_seconds is None:
        return "no steady state"
    return (
        f"{steady.frames_per_second.value:.4g} frames/s, latency: median"
        f" {seconds_text(steady.latency_p50_seconds.value)}, 95 %"
        f" {seconds_text(steady.latency_p95_seconds.value)},"
        f" {steady.in_flight.value:.3g} frames in flight"
    )


class Bars:
    """The rows of the picture, to be put into any.

    Args:
        pipeline: What was simulated.
        trace: What happened.
        report: What it was like.
        top: Where the first row begins.
    """

    def __init__(self, pipeline: Pipeline, trace: Trace, report: Report, top: float) -> None:
        self._trace = trace
        self._top = top
        self._rows = [resource for resource in in_order(pipeline) if trace.busy.get(resource)]
        self._began, ended = _stretch(trace, report)
        self._ended = max(ended, self._began + 1e-9)
        self._uses = {u.resource: u for u in report.steady.resources} if report.steady else {}
        self._foot = top + ROW * len(self._rows)
        self.bottom = round(self._foot + 58)
        """Where whatever follows may begin."""

    def parts(self) -> Iterator[str]:
        """Yield axis, rows and legend."""
        yield _STYLE
        yield from self.axis()
        for number, resource in enumerate(self._rows):
            yield from self.row(number, resource, self._uses.get(resource))
        yield from self.legend()

    def axis(self) -> Iterator[str]:
        """Yield lines and times from the left end on."""
        length = self._ended - self._began
        step = _step(length / 8)
        for number in range(int(length / step) + 1):
            x = self._x(self._began + number * step)
            yield svg.line(x, self._top - 6, x, self._foot, "grid")
            label = seconds_text(number * step) if number else "0"
            yield svg.text(x, self._foot + 16, label, "muted small middle")
        yield svg.text(RIGHT + 24, self._top - 14, "busy", "muted small")

    def row(self, number: int, resource: Resource, use: ResourceUse | None) -> Iterator[str]:
        """Yield a device's or a link's bars."""
        middle = self._top + ROW * number + ROW / 2
        device = len(resource) == 1
        name = svg.fitted(name_of(resource), LEFT - 34, 12 * svg.SANS)
        kind = "ink strong end" if device else "muted small end"
        yield svg.text(LEFT - 12, middle + 4, name, kind)
        height = BAR if device else THIN
        for span in self._shown(self._trace.blocked.get(resource, ())):
            yield self._bar(span, middle, 6, "held")
        for span in self._shown(self._trace.busy[resource]):
            yield self._bar(span, middle, height, f"f{span.sequence % COLOURS}")
            width = self._x(span.ended) - self._x(span.began)
            label = str(span.sequence)
            if device and width > 8 + 11 * svg.SANS * len(label):
                x = (self._x(span.began) + self._x(span.ended)) / 2
                yield svg.text(x, middle + 4, label, "on small middle")
        if use is not None:
            share = min(use.busy.value, 1.0)
            yield svg.rect(RIGHT + 24, middle - 4, SHARE, 8, "band0")
            yield svg.rect(RIGHT + 24, middle - 4, SHARE * share, 8, "f0")
            yield svg.text(RIGHT + 32 + SHARE, middle + 4, f"{share:.0%}", "ink small")

    def legend(self) -> Iterator[str]:
        """Yield what the bars mean."""
        words = "numbers and colours: frames; high bars: devices, low ones: links"
        yield svg.text(LEFT, self._foot + 40, words, "muted small")
        yield svg.rect(LEFT + 372, self._foot + 33, 22, 6, "held")
        yield svg.text(LEFT + 400, self._foot + 40, "computed, waits for credit", "muted small")

    def _shown(self, spans: Sequence[Span]) -> Iterator[Span]:
        """Yield what is within, cut off at both ends."""
        for span in spans:
            if span.ended > self._began and span.began < self._ended:
                yield Span(
                    max(span.began, self._began), min(span.ended, self._ended), span.sequence
                )

    def _bar(self, span: Span, middle: float, height: float, kind: str) -> str:
        x = self._x(span.began)
        width = max(self._x(span.ended) - x - 0.6, 0.4)
        rect = svg.rect(x, middle - height / 2, width, height, kind)
        tooltip = f"frame {span.sequence}: {seconds_text(span.ended - span.began)}"
        return svg.group(tooltip, [rect], "")

    def _x(self, instant: float) -> float:
        return LEFT + (RIGHT - LEFT) * (instant - self._began) / (self._ended - self._began)


def _step(least: float) -> float:
    """Return the smallest round number that is not below ``least``."""
    power = 1.0
    while power > least:
        power /= 10
    while power * 10 <= least:
        power *= 10
    return next(power * factor for factor in _STEPS if power * factor >= least)
