"""A simulated run as a table, for people."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleet.simulator.build import ways
from fleet.simulator.pipeline import Load, Pipeline
from fleet.simulator.report import Estimate, Report, ResourceUse, Steady, Stretch
from fleet.simulator.trace import Resource
from paceline.formatting import seconds_text
from paceline.output import one_line

BAR: int = 24
_NEARLY_ALL = 0.98
"""A resource that is busy for this share of the time, or more, is what all others wait for."""


def show(console: Console, pipeline: Pipeline, load: Load, report: Report) -> None:
    """Print a run."""
    for stretch in report.stretches:
        if len(report.stretches) > 1:
            console.print(_heading(stretch), style="bold")
        if stretch.steady is None:
            console.print("  too few frames ended, or all at once, to tell a steady state")
        else:
            for line in _figures(stretch.steady):
                console.print(f"  {line}")
    if report.steady:
        console.print()
        console.print(_resources(pipeline, report.steady))
    console.print()
    for line in _account(report, load):
        console.print(line, style="dim")


def _heading(stretch: Stretch) -> str:
    until = f"until {stretch.to_seconds:.1f} s"
    if stretch.began_with is None:
        return until
    began = f"after {stretch.began_with} died at {stretch.from_seconds:.1f} s, {until}"
    return one_line(f"{began}; longest without a result: {stretch.longest_pause_seconds:.1f} s")


def _figures(steady: Steady) -> Iterator[str]:
    rate = steady.frames_per_second
    yield f"{rate.value:.4g} frames/s{_interval(rate, '{:.4g}')}"
    if steady.latency_p50_seconds and steady.latency_p95_seconds and steady.latency_mean_seconds:
        parts = (
            ("median", steady.latency_p50_seconds),
            ("95 %", steady.latency_p95_seconds),
            ("mean", steady.latency_mean_seconds),
        )
        texts = (f"{name} {seconds_text(e.value)}{_seconds_interval(e)}" for name, e in parts)
        yield f"latency: {', '.join(texts)}"
    yield (
        f"in flight: {steady.in_flight.value:.3g} in the mean"
        f" ({steady.in_flight_by_little:.3g} by Little's law)"
    )


def _interval(estimate: Estimate, form: str) -> str:
    """Return an interval in brackets; nothing where it is no wider than what is shown."""
    low, high = form.format(estimate.low), form.format(estimate.high)
    return "" if low == high else f" ({low} to {high})"


def _seconds_interval(estimate: Estimate) -> str:
    low, high = seconds_text(estimate.low), seconds_text(estimate.high)
    return "" if low == high else f" ({low} to {high})"


def _resources(pipeline: Pipeline, steady: Steady) -> Table:
    """Return devices and links in the way of a frame, with what keeps them busy."""
    uses = {use.resource: use for use in steady.resources}
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("busy", justify="right")
    table.add_column("")
    for title in ("blocked", "waiting", "95 %"):
        table.add_column(title, justify="right")
    table.add_column("")
    for resource in in_order(pipeline):
        if resource in uses:
            table.add_row(*_row(uses[resource]))
    return table


def _row(use: ResourceUse) -> tuple[str | Text, ...]:
    device = len(use.resource) == 1
    return (
        one_line(name_of(use.resource) if device else f"  {name_of(use.resource)}"),
        f"{use.busy.value:.0%}",
        _bar(use),
        f"{use.blocked:.0%}" if device else "",
        f"{use.waiting.value:.1f}",
        str(use.waiting_p95),
        "◂ the others wait for it" if use.busy.value >= _NEARLY_ALL else "",
    )


def _bar(use: ResourceUse) -> Text:
    """Return how much of the time a resource was busy, and blocked."""
    busy = round(min(use.busy.value, 1.0) * BAR)
    blocked = min(round(use.blocked * BAR), BAR - busy)
    rest = BAR - busy - blocked
    bar = Text("█" * busy, style="red" if use.busy.value >= _NEARLY_ALL else "cyan")
    return bar.append("▒" * blocked, style="yellow").append("·" * rest, style="dim")


def in_order(pipeline: Pipeline) -> list[Resource]:
    """Return devices and links in the way of a frame."""
    hops = list(dict.fromkeys(ways(pipeline)))
    found: list[Resource] = [hop for hop in hops if hop[0] == pipeline.source]
    for stage in pipeline.stages:
        devices = [worker.device for worker in stage.workers]
        found += [(device,) for device in devices]
        found += [hop for hop in hops if hop[0] in devices and hop not in found]
    return found


def name_of(resource: Resource) -> str:
    """Return what people call a device or a link."""
    return " → ".join(resource)


def _account(report: Report, load: Load) -> Iterator[str]:
    account = report.account
    why = ", ".join(f"{count} {code}" for code, count in report.errors.items())
    yield (
        f"{account.submitted} submitted = {account.results} results + {account.errors} errors"
        f"{f' ({why})' if why else ''} + {account.drops} drops + {account.in_flight} in flight"
    )
    steady = report.steady
    if steady:
        yield (
            f"window {load.window}, seed {load.seed}; steady from {steady.from_seconds:.2f} s"
            f" to {steady.to_seconds:.2f} s of simulated time, with 95 % intervals"
        )
