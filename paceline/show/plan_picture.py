"""Draw a plan: time and memory along the blocks, where it is cut, who is busy when, and why so.

From left to right are the blocks of the chain in order. The upper area is what each takes on the
device that runs it, the lower one what that device holds by then: weights so far and what is alive.
The bars below are the resources: of one frame to the next, that part of the time each is busy. Then
come some frames of the steady state as it is simulated, and what each cut would cost elsewhere.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

from fleet.model_plan import served
from fleet.model_plan.answering import ModelAnswer
from fleet.model_plan.candidate import Candidate
from fleet.model_plan.moves import REACH, moved
from fleet.model_plan.setting import WINDOW, Setting
from fleet.simulator.pipeline import Load
from fleet.simulator.report import report
from fleet.simulator.simulation import Simulation
from paceline.formatting import seconds_text, size_text
from paceline.show import gantt, svg
from paceline.show.cut_choices import Choices, Moved
from paceline.show.errors import PictureUnwritableError
from paceline.show.layout import badge_rows, place_ticks

WIDTH: Final = 1000
LEFT: Final = 96
RIGHT: Final = 976
TIME: Final = (142, 150)
"""Top and height of the upper plot."""
MEMORY: Final = (330, 110)
ROW: Final = 24
FRAMES: Final = 400
"""That are simulated."""
NO_DEADLINE: Final = 1e6
BARS: Final = (280, 760)
"""Left and right end of the bars."""


def draw(path: Path, setting: Setting, answer: ModelAnswer) -> None:
    """Write the picture of a plan; without one nothing is written.

    Raises:
        PictureUnwritableError: The file cannot be written.
    """
    if answer.chosen is None:
        return
    try:
        path.write_text(plan_picture(setting, answer, answer.chosen), encoding="utf-8")
    except OSError as error:
        raise PictureUnwritableError(str(path), error.strerror or str(error)) from error


def plan_picture(setting: Setting, answer: ModelAnswer, chosen: Candidate) -> str:
    """Return the picture as an SVG file that needs nothing else."""
    drawing = _Drawing(setting, answer, chosen)
    rate = f"{1 / chosen.period_seconds:.4g} frames/s"
    latency = f"{seconds_text(chosen.latency_seconds)} from source to sink"
    title = f"{setting.chain.model.name}: {answer.verdict}, for {answer.goal}"
    subtitle = f"{rate}, {latency}, {chosen.to}"
    return svg.document(
        WIDTH, drawing.height, title, subtitle, list(drawing.parts(title, subtitle))
    )


class _Drawing:
    """Where everything goes."""

    def __init__(self, setting: Setting, answer: ModelAnswer, chosen: Candidate) -> None:
        self.setting, self.chosen = setting, chosen
        self.blocks = setting.chain.blocks
        self.first = {group.first: group for group in chosen.groups}
        self.seconds = [
            setting.device(group.devices[0]).seconds[block]
            for group in chosen.groups
            for block in range(group.first, group.last + 1)
        ]
        self.held = [
            weights + self.blocks[group.first + place].activation_bytes
            for group in chosen.groups
            for place, weights in enumerate(
                accumulate(b.weight_bytes for b in self.blocks[group.first : group.last + 1])
            )
        ]
        self.bars = MEMORY[0] + MEMORY[1] + 80
        self.steady = self.bars + ROW * (len(chosen.stages) + len(chosen.hops)) + 28
        self.window = WINDOW if answer.goal == "throughput" else 1
        pipeline = served.pipeline(setting, chosen)
        load = Load(window=self.window, frames=FRAMES, deadline_seconds=NO_DEADLINE)
        simulation = Simulation(pipeline, load)
        simulation.run()
        self.report = report(simulation, ())
        self.gantt = gantt.Bars(pipeline, simulation.trace, self.report, self.steady + 40)
        moves = tuple(_moves(setting, answer))
        self.choices = Choices(moves, self.gantt.bottom + 16) if moves else None
        self.why = _why(answer, chosen)
        self.height = self.choices.bottom if self.choices else self.gantt.bottom

    def x(self, place: float) -> float:
        return LEFT + (RIGHT - LEFT) * place / len(self.blocks)

    def parts(self, title: str, subtitle: str) -> Iterator[str]:
        yield svg.text(20, 32, svg.fitted(title, WIDTH - 40, 18 * 0.6), "ink title")
        yield svg.text(20, 53, svg.fitted(subtitle, WIDTH - 40, 12 * svg.SANS), "muted")
        yield from self.bands()
        yield from self.plot(TIME, self.seconds, seconds_text)
        yield from self.plot(MEMORY, self.held, size_text)
        bottom = MEMORY[0] + MEMORY[1]
        for place in place_ticks(len(self.blocks)):
            yield svg.line(self.x(place), bottom, self.x(place), bottom + 5, "edge")
            yield svg.text(self.x(place), bottom + 18, str(place), "muted small middle")
        yield svg.text((LEFT + RIGHT) / 2, bottom + 36, "blocks, in order", "muted small middle")
        yield from self.cuts()
        time, memory = "time of each block, on its device", "memory: weights so far, and what lives"
        yield svg.text(LEFT, TIME[0] - 6, time, "muted small halo")
        yield svg.text(LEFT, MEMORY[0] - 6, memory, "muted small halo")
        yield from self.busy()
        frames = "a frame" if self.window == 1 else f"{self.window} frames"
        words = f"steady state, simulated with {frames} in flight: {gantt.said(self.report)}"
        yield svg.text(20, self.steady + 6, words, "muted small")
        yield from self.gantt.parts()
        if self.choices:
            yield svg.text(20, self.gantt.bottom + 14, self.why, "muted small")
            yield from self.choices.parts()

    def bands(self) -> Iterator[str]:
        bottom = MEMORY[0] + MEMORY[1]
        for number, group in enumerate(self.chosen.groups):
            x, end = self.x(group.first), self.x(group.last + 1)
            name = " + ".join(group.devices)
            seconds = sum(self.seconds[group.first : group.last + 1])
            room = end - x - 6
            words = [svg.text((x + end) / 2, 84, svg.fitted(name, room, 12 * svg.SANS),
                              "ink strong middle")]  # fmt: skip
            if room > 60:
                words.append(svg.text((x + end) / 2, 99, seconds_text(seconds),
                                      "muted small middle"))  # fmt: skip
            shade = svg.rect(x, 68, end - x, bottom - 68, f"band{number % 2}")
            yield svg.group(f"{name}: {seconds_text(seconds)}", [shade, *words], "segment")

    def plot(
        self,
        where: tuple[int, int],
        values: Sequence[float],
        told: Callable[[float], str],
    ) -> Iterator[str]:
        top, height = where
        bottom, most = top + height, max(values) or 1
        for part in (0, 0.5, 1):
            y = bottom - height * part
            yield svg.line(LEFT, y, RIGHT, y, "grid")
            yield svg.text(LEFT - 8, y + 4, told(most * part), "muted small end")
        steps = [f"M{LEFT} {bottom}"]
        for place, value in enumerate(values):
            steps += [f"V{bottom - height * value / most:.1f}", f"H{self.x(place + 1):.1f}"]
        yield svg.path([*steps, f"V{bottom}", "Z"], "area")
        yield svg.path(steps, "rim")

    def cuts(self) -> Iterator[str]:
        cuts = [group.last + 1 for group in self.chosen.groups[:-1]]
        rows = badge_rows([self.x(cut) for cut in cuts])
        for number, (cut, row) in enumerate(zip(cuts, rows, strict=True)):
            x, y = self.x(cut), 116 + 20 * row
            block = self.blocks[cut - 1]
            tooltip = f"{number + 1}: {' + '.join(block.cut)}, {size_text(block.out_bytes)}"
            mark = svg.line(x, y, x, MEMORY[0] + MEMORY[1], "cut")
            yield svg.group(tooltip, [mark, svg.badge(x, y, str(number + 1))], "mark")

    def busy(self) -> Iterator[str]:
        y, period = float(self.bars), self.chosen.period_seconds
        yield svg.text(20, y - 12, "busy, from one frame to the next", "muted small")
        for name, detail, seconds, kind in self.resources():
            share = seconds / period
            left, right = BARS
            yield svg.text(20, y + 12, svg.fitted(name, left - 30, 12 * svg.SANS), "ink")
            yield svg.rect(left, y, right - left, 16, "band0")
            yield svg.rect(left, y, (right - left) * share, 16, kind)
            slowest = "  ◂ slowest" if share > 1 - 1e-9 else ""
            words = f"{share:.0%}".replace("%", " %") + f", {detail}{slowest}"
            yield svg.text(right + 10, y + 12, words, "muted small")
            y += ROW

    def resources(self) -> Iterator[tuple[str, str, float, str]]:
        """Yield name, details, busy seconds and colour of each, in the way of a frame."""
        for place in range(len(self.chosen.groups) + 1):
            for hop in self.chosen.hops:
                if hop.into == place:
                    codec = "" if hop.codec == "raw" else f" {hop.codec}"
                    detail = f"{size_text(hop.raw_bytes)}{codec}"
                    yield f"{hop.source} → {hop.target}", detail, hop.busy_seconds, "blocked"
            for stage in self.chosen.stages:
                if place < len(self.chosen.groups) and (
                    stage.first == self.chosen.groups[place].first
                ):
                    detail = seconds_text(stage.seconds)
                    yield stage.device, detail, stage.busy_seconds, "badge"


def _moves(setting: Setting, answer: ModelAnswer) -> Iterator[Moved]:
    """Yield the cuts of the best split at other places; all of it by sums of operators."""
    if answer.split is None:
        return
    sums = (one.sum for one in answer.finalists if one.measured is answer.split)
    split, goal = next(sums, answer.split), answer.goal
    worth = split.objective(goal)
    if not worth:
        return  # of what costs nothing, nothing is a share
    for one in moved(setting, split, answer.asked.codecs, REACH):
        there = one.found.items()
        yield Moved(one.at, {at: c.objective(goal) / worth - 1 if c else None for at, c in there})


def _why(answer: ModelAnswer, chosen: Candidate) -> str:
    what = "why not the neighbouring cuts: what one cut costs" if chosen.is_split else (
        "the best split, which does not win: what one cut of it costs"
    )  # fmt: skip
    by = ", by sums of operators" if answer.finalists else ""
    return f"{what} some blocks earlier or later{by}; grey: it does not fit there"
