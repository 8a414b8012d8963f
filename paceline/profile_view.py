"""What models take on devices, as people and programs read it."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from fleet.formats import UNTIMED
from fleet.profiles import attribution
from fleet.profiles.attribution import OperatorShare
from fleet.profiles.measure import Outcome
from fleet.profiles.record import ModelProfile, is_settled
from paceline.formatting import size_text
from paceline.output import one_line
from wire.profile_report import MemoryUse

BUSY_RATIO = 0.1
"""From here on others used so much of the machine that a reader should know."""


def plain(found: Outcome) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    return {
        "profiles": [_plain(profile, found) for profile in found.profiles],
        "failures": {
            device: {"code": error.code, "message": str(error)}
            for device, error in found.failures.items()
        },
    }


def _plain(profile: ModelProfile, found: Outcome) -> dict[str, Any]:
    return {
        "device": profile.device,
        "reused": profile.device in found.reused,
        "run_seconds": profile.run_seconds,
        "operator_seconds": profile.operator_seconds,
        "operators": [share._asdict() for share in attribution.operators(profile)],
        **msgspec.to_builtins(profile),
    }


def show(console: Console, found: Outcome, top: int) -> None:
    """Print what was measured."""
    if not found.profiles:
        return
    first = found.profiles[0]
    sizes = ", ".join(
        f"{one_line(name)} [{', '.join(map(str, shape))}]" for name, shape in first.sizes.items()
    )
    console.print(f"{one_line(first.model.name)} (sha256 {first.model.sha256[:12]}) with {sizes}")
    console.print(
        f"{size_text(first.weight_bytes)} of weights, run by {'; '.join(_runtimes(found))}\n"
    )
    console.print(_devices(found))
    if first.question.split:
        console.print()
        console.print(_segments(found))
    for note in _notes(found):
        console.print(f"note: {note}", style="dim")
    for profile in found.profiles if top else ():
        console.print(f"\n{profile.device}: the slowest of its operators")
        console.print(_slowest(profile, top))


def _devices(found: Outcome) -> Table:
    watts = any(part.report.watts for profile in found.profiles for part in profile.parts)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("device", overflow="ellipsis", no_wrap=True)
    titles = ("threads", "one run", "p10 to p90", "loads in", "memory", "peak")
    for title in (*titles, *(["power"] if watts else [])):
        table.add_column(title, justify="right", no_wrap=True)
    for profile in found.profiles:
        table.add_row(*_row(profile, watts=watts))
    return table


def _row(profile: ModelProfile, *, watts: bool) -> list[str]:
    reports = [part.report for part in profile.parts]
    low, high = (sum(getattr(r.run, name) for r in reports) for name in ("p10", "p90"))
    memory = [report.memory for report in reports]
    cells = [
        profile.device,
        str(reports[0].threads),
        time_text(profile.run_seconds),
        _range_text(low, high),
        time_text(sum(report.open_seconds for report in reports)),
        size_text(sum(one.loaded_bytes for one in memory) + _running(memory)),
        size_text(max(one.peak_bytes for one in memory)),
    ]
    if watts:
        known = [report.watts for report in reports if report.watts is not None]
        cells.append(f"{max(known):.1f} W" if known else "")
    return cells


def _running(memory: Sequence[MemoryUse]) -> int:
    return max(one.activation_bytes for one in memory)


def _runtimes(found: Outcome) -> Iterator[str]:
    """Yield each way of running it, with the devices that do so where they differ."""
    ways: dict[str, list[str]] = {}
    for profile in found.profiles:
        report = profile.parts[0].report
        ways.setdefault(f"{report.runtime} {report.version}, weights {report.weights}", []).append(
            profile.device
        )
    for way, devices in ways.items():
        yield way if len(ways) == 1 else f"{way}: {', '.join(devices)}"


def _segments(found: Outcome) -> Table:
    """Return a line for each segment of a split, with a column for each device."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("segment", no_wrap=True)
    table.add_column("weights", justify="right", no_wrap=True)
    for profile in found.profiles:
        table.add_column(profile.device, justify="right", no_wrap=True)
    for number, part in enumerate(found.profiles[0].parts):
        times = [time_text(one.parts[number].report.run.p50) for one in found.profiles]
        table.add_row(part.name, size_text(part.weight_bytes), *times)
    return table


def _slowest(profile: ModelProfile, top: int) -> Table:
    shares = sorted(attribution.operators(profile), key=lambda share: -share.seconds)
    whole = sum(share.seconds for share in shares) or 1.0
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("  operator", no_wrap=True)
    for title in ("time", "share"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("writes", overflow="ellipsis", no_wrap=True)
    for share in shares[:top]:
        table.add_row(*_operator(share, whole))
    rest = shares[top:]
    if rest:
        seconds = sum(share.seconds for share in rest)
        name = f"  {len(rest)} others"
        table.add_row(name, time_text(seconds), _percent(seconds, whole), "", "", style="dim")
    return table


def _operator(share: OperatorShare, whole: float) -> list[str]:
    fused = "" if share.own_kernel else "by work" if share.by_work else "fused"
    return [
        f"  {one_line(share.kind)}",
        time_text(share.seconds),
        _percent(share.seconds, whole),
        fused,
        one_line(share.name),
    ]


def _notes(found: Outcome) -> Iterator[str]:
    for profile in found.profiles:
        reports = [part.report for part in profile.parts]
        busy = max(report.load.others_busy_ratio for report in reports)
        serving = max(report.load.serving for report in reports)
        alone = sum(report.run.p50 for report in reports)
        summed = profile.operator_seconds
        if profile.device in found.reused:
            yield f"{profile.device}: measured before; --again measures anew"
        if serving:
            workers = "1 worker" if serving == 1 else f"{serving} workers"
            yield f"{profile.device}: {workers} of pipelines served there meanwhile"
        if busy >= BUSY_RATIO:
            spent = time_text(sum(report.cpu_seconds for report in reports))
            yield (
                f"{profile.device}: others used {100 * busy:.0f} % of its cores meanwhile;"
                f" a run takes {spent} of processor time"
            )
        if not is_settled(profile.parts):
            yield f"{profile.device}: the median was not known to 3 % when time was up (--seconds)"
        if len(reports) > 1:
            parts = "segments" if profile.question.split else "parts"
            yield f"{profile.device}: in {len(reports)} {parts}, one after the other"
        if any(part.multiply_accumulates for part in profile.parts):
            yield f"{profile.device}: {UNTIMED}"
        if summed:
            yield (
                f"{profile.device}: its operators one by one, not fused, take {time_text(summed)}:"
                f" {summed / alone:.2f} times the whole"
            )


def time_text(seconds: float) -> str:
    """Return a short time, with three digits, such as ``33.9 ms`` or ``12.1 us``."""
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * factor >= 1 or unit == "us":
            value = seconds * factor
            return f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"
    return ""


def _range_text(low: float, high: float) -> str:
    """Return two times with their unit said once where it is the same."""
    first, last = time_text(low), time_text(high)
    same = first.rpartition(" ")[2] == last.rpartition(" ")[2]
    return f"{first.rpartition(' ')[0] if same else first} to {last}"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %"
