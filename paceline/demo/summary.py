"""What the demo says at the end: one JSON object for machines, a few lines for people."""

import msgspec
from rich.console import Console
from rich.table import Table

from paceline.demo.pace import Latency, StagePace


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
    picture: str | None = None
    """The newest page with its boxes."""

    def problem(self) -> str | None:
        """Return what is not as it must be; None: all is well."""
        if not self.frames_done:
            return "no frame came back"
        if not self.outputs_equal:
            return "answers differ from the whole model's"
        if not self.bit_equal:
            return "with optimisations off the answers differ in bits"
        if self.frames_lost:
            return f"{self.frames_lost} frames were lost and nobody said why"
        return None


def print_summary(console: Console, summary: Summary) -> None:
    """Print the summary for people."""
    console.print()
    console.print(stage_table(summary.stages, summary.frames_per_second))
    equal = "[green]equal[/]" if summary.outputs_equal else "[bold red]DIFFERENT[/]"
    bits = "equal bit by bit" if summary.bit_equal else "[bold red]not equal bit by bit[/]"
    console.print(
        f"Answers   {equal} to the whole model's: {summary.answers_compared} compared,"
        f" largest difference {summary.max_abs_diff:.2g}; {bits} with optimisations off"
    )
    ended = summary.frames_done + summary.frames_errors + summary.frames_dropped
    console.print(
        f"Frames    {summary.frames_submitted} submitted = {summary.frames_done} results"
        f" + {summary.frames_errors} errors + {summary.frames_dropped} drops"
        f" + {summary.frames_submitted - ended} in flight; {summary.frames_lost} lost"
    )
    if summary.errors:
        codes = ", ".join(f"{count} {code}" for code, count in sorted(summary.errors.items()))
        console.print(f"Errors    {codes}")
    console.print(
        f"Latency   {summary.latency_seconds.p50 * 1e3:.0f} ms median,"
        f" {summary.latency_seconds.p95 * 1e3:.0f} ms p95;"
        f" first result {summary.first_frame_seconds:.1f} s after the start"
    )
    console.print(
        f"Pace      [bold]{summary.frames_per_second:.1f} frames/s[/] through the pipeline,"
        f" {summary.whole_model_frames_per_second:.1f} with the whole model in one process"
        f" and {summary.whole_model_threads} threads"
    )
    console.print(f"          {_verdict(summary)}", style="dim")
    if summary.picture:
        console.print(f"Picture   {summary.picture}")


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


def _verdict(summary: Summary) -> str:
    """Say honestly what the two figures mean on one machine."""
    ratio = summary.frames_per_second / max(summary.whole_model_frames_per_second, 1e-9)
    stages = len(summary.stages)
    return (
        f"({ratio:.2f}x: here all {stages} stages share one machine's cores, so cutting gains"
        " nothing but room; with a machine for each stage it does)"
    )
