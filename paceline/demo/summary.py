"""What the demo says at the end: one JSON object for machines, a few lines for people."""

from collections.abc import Iterator

import msgspec
from rich.console import Console
from rich.table import Table

from paceline.demo.pace import Latency, StagePace
from paceline.demo.plan_summary import PlanSummary, told
from paceline.demo.planning import MUCH
from paceline.formatting import counted


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one demo."""

    model: str
    pipeline: str
    generation: int
    outputs_equal: bool
    """Every streamed answer whose reference was computed is within the tolerance of it."""
    bit_equal: bool
    """Segments one after the other, optimisations off, against the whole model: equal bits."""
    max_abs_diff: float
    """Of the streamed answers, optimisations on."""
    answers_compared: int
    frames_submitted: int
    frames_done: int
    frames_errors: int
    errors: dict[str, int]
    frames_dropped: int
    frames_lost: int
    frames_per_second: float
    latency_seconds: Latency
    whole_model_frames_per_second: float
    """The whole model in one process with all threads, measured alone after the stream."""
    whole_model_threads: int
    stages: list[StagePace]
    broker: str
    first_frame_seconds: float
    """From the start of the command to the first result."""
    agents_restarted: int
    plugs_pulled: int = 0
    """By somebody who looked at the page."""
    picture: str | None = None
    """The newest page with its boxes."""
    others_busy_ratio: float = 0.0
    """Which part of all cores others used while it streamed."""
    plan: PlanSummary | None = None
    """None: the model was cut without one."""

    def problem(self) -> str | None:
        """Return what is not as it must be; None: all is well."""
        if not self.frames_done:
            return "no frame came back"
        if not self.outputs_equal:
            return "answers differ from the whole model's"
        if not self.bit_equal:
            return "with optimisations off the answers differ in bits"
        if self.frames_lost and self.plugs_pulled < 2:  # of several, who knew was dark, too
            were = "was" if self.frames_lost == 1 else "were"
            return f"{counted(self.frames_lost, 'frame')} {were} lost and nobody said why"
        return None


def print_summary(console: Console, summary: Summary) -> None:
    """Print the summary for people, in lines of at most 80 characters."""
    console.print()
    console.print(stage_table(summary.stages, summary.frames_per_second))
    for what, text in _lines(summary):
        console.print(f"[bold]{what:<10}[/] {text}", soft_wrap=True)


def _lines(summary: Summary) -> Iterator[tuple[str, str]]:
    equal = "[green]equal[/]" if summary.outputs_equal else "[bold red]DIFFERENT[/]"
    yield (
        "answers",
        (
            f"{summary.answers_compared} compared with the whole model's: {equal}"
            f" (differ by {summary.max_abs_diff:.2g} at most)"
        ),
    )
    bits = "[green]equal bit by bit[/]" if summary.bit_equal else "[bold red]bits differ[/]"
    yield "", f"and with the runtime's optimisations off: {bits}"
    yield (
        "frames",
        (
            f"{summary.frames_submitted} submitted = {summary.frames_done} results"
            f" + {summary.frames_errors} errors + {summary.frames_dropped} drops;"
            f" {summary.frames_lost} lost"
        ),
    )
    if summary.errors:
        codes = ", ".join(f"{count} {code}" for code, count in sorted(summary.errors.items()))
        yield "", codes
    yield (
        "latency",
        (
            f"{summary.latency_seconds.p50 * 1e3:.0f} ms median,"
            f" {summary.latency_seconds.p95 * 1e3:.0f} ms p95;"
            f" first result {summary.first_frame_seconds:.1f} s after the start"
        ),
    )
    yield (
        "pace",
        (
            f"{summary.frames_per_second:.1f} frames/s through {len(summary.stages)} devices;"
            f" {summary.whole_model_frames_per_second:.1f} with the whole model in one process"
        ),
    )
    if summary.whole_model_frames_per_second > summary.frames_per_second:
        yield "", "[dim]All stages share this machine's cores, so cutting gains nothing here but[/]"
        yield "", "[dim]room. It pays with a machine for each stage, or when one is too small.[/]"
    else:
        yield "", "[dim]On one machine the whole model is usually faster: something else was[/]"
        yield "", "[dim]running while it was measured. Run the demo again on a quiet machine.[/]"
    if summary.plan:
        for number, line in enumerate(told(summary.plan)):
            yield "" if number else "plan", line
        busy, counted = summary.others_busy_ratio, summary.plan.machine.others_busy_ratio
        if max(busy, counted) > MUCH:
            yield (
                "",
                f"[dim]others used {busy:.0%} of this machine, {counted:.0%} was planned with[/]",
            )
    if summary.agents_restarted:
        yield "agents", f"{summary.agents_restarted} started again"
    if summary.picture:
        yield "picture", summary.picture


def stage_table(stages: list[StagePace], frames_per_second: float) -> Table:
    """Return the table of stages."""
    table = Table(title=f"{frames_per_second:.1f} frames/s", title_justify="left")
    for name, justify in (
        ("stage", "right"),
        ("device", "left"),
        ("segment", "left"),
        ("hop ms", "right"),
        ("queue ms", "right"),
        ("run ms", "right"),
        ("busy", "left"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]  # the literals above
    slowest = max((stage.run_seconds_p50 for stage in stages), default=0.0)
    for stage in stages:
        busy = min(1.0, stage.run_seconds_p50 * frames_per_second)
        is_slowest = stage.run_seconds_p50 == slowest
        table.add_row(
            str(stage.stage),
            stage.device,
            stage.segment,
            f"{stage.hop_seconds_p50 * 1e3:.1f}",
            f"{stage.queue_seconds_p50 * 1e3:.1f}",
            f"{stage.run_seconds_p50 * 1e3:.1f}",
            f"{'█' * round(busy * 10):<10} {busy:4.0%}",
            style="bold" if is_slowest else None,
        )
    return table
