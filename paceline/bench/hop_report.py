"""What ``paceline bench hop`` found, as JSON and as a table."""

import os
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from paceline.bench.text import cpu_text, latency_text
from paceline.formatting import counted, size_text


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A median, and where it is with 95 % confidence."""

    median: float
    low: float
    high: float


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """One link beside the first, of the same rounds."""

    latency: Interval
    """Of the medians one way."""
    cpu: Interval
    """Of sender and receiver together, while frames travel one by one."""
    cpu_back_to_back: Interval


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """One way, in seconds."""

    p50: float
    p95: float
    p50_interval: tuple[float, float]
    """Where the median is with 95 % confidence."""


class Cpu(msgspec.Struct, frozen=True, kw_only=True):
    """Processor time of each frame, in seconds."""

    sender: float
    receiver: float
    broker: float | None
    """None: no broker takes part, or one that is not ours."""


class HopResult(msgspec.Struct, frozen=True, kw_only=True):
    """One link's hop."""

    link: str
    latency_seconds: Latency
    cpu_seconds: Cpu
    """While frames travel one by one."""
    cpu_seconds_back_to_back: Cpu
    frames_per_second: float
    bytes_per_second: float


class HopReport(msgspec.Struct, frozen=True, kw_only=True):
    """All links, measured in one run."""

    bytes: int
    frames: int
    """Of each link, one by one; and as many back to back."""
    load_average: float
    """The machine's, over the minute before."""
    broker: str | None
    links: tuple[HopResult, ...]
    ratios: dict[str, Ratio]
    """By link, all but the first."""

    def plain(self) -> dict[str, Any]:
        """Return what ``--json`` prints: of one link its figures stand at the top."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        if len(self.links) == 1:
            [only] = made.pop("links")
            del made["ratios"]
            return {**made, **only}
        return made


def show(console: Console, report: HopReport) -> None:
    """Print it for people."""
    through = f" through {report.broker}" if report.broker else ""
    console.print(f"Frames of {size_text(report.bytes)} from one process to another{through}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("link")
    names = ["p50", "p95", "sender", "receiver", "broker", "frames/s"]
    beside = [f"{name} / {report.links[0].link}" for name in ("p50", "CPU")]
    for name in [*names, *(beside if report.ratios else ["a second"])]:
        table.add_column(name, justify="right")
    for result in report.links:
        latency, cpu = result.latency_seconds, result.cpu_seconds
        cells = [result.link, latency_text(latency.p50), latency_text(latency.p95)]
        cells += [cpu_text(part) for part in (cpu.sender, cpu.receiver, cpu.broker)]
        cells.append(f"{result.frames_per_second:.0f}")
        ratio = report.ratios.get(result.link)
        if ratio is not None:
            cells += [f"{ratio.latency.median:.2f}x", f"{ratio.cpu.median:.2f}x"]
        elif not report.ratios:
            cells.append(size_text(result.bytes_per_second))
        table.add_row(*cells)
    console.print(table)
    console.print(
        f"{counted(report.frames, 'frame')} one way, one in flight, 4 ms apart, with the processor"
        f" time of each; then as many back to back. Load before: {report.load_average:.1f} on"
        f" {os.cpu_count()} cores.",
        style="dim",
    )
