"""What links between devices do, as people and programs read it."""

from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from fleet.profiles.links import LinkProfile, LinksOutcome
from paceline.fleet_view import rate_text
from paceline.output import one_line
from paceline.profile_view import BUSY_RATIO, time_text


def plain(found: LinksOutcome) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    return {
        "links": [_plain(profile) for profile in found.profiles],
        "reused": found.reused,
        "absent": [_way(way) | {"reason": why} for way, why in found.absent.items()],
        "failures": [
            _way(way) | {"code": error.code, "message": str(error)}
            for way, error in found.failures.items()
        ],
    }


def _plain(profile: LinkProfile) -> dict[str, Any]:
    question = profile.question
    return {
        **_way((question.source, question.target, question.link)),
        "latency_seconds": profile.latency_seconds,
        "jitter_seconds": profile.jitter_seconds,
        "bytes_per_second": profile.bytes_per_second,
        "measured_unix_ns": profile.measured_unix_ns,
        "report": msgspec.to_builtins(profile.report),
    }


def _way(way: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("from", "to", "link"), way, strict=True))


def show(console: Console, found: LinksOutcome) -> None:
    """Print a line for each way, and the times of each size below."""
    if not found.profiles:
        return
    sizes = found.profiles[0].question.sizes
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("from", "to", "link"):
        table.add_column(title, overflow="ellipsis", no_wrap=True)
    titles = ("round trip", "jitter", *map(_size_text, sizes), "goodput", "cpu")
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    for profile in found.profiles:
        table.add_row(*_row(profile))
    console.print(table)
    largest = _size_text(max(sizes))
    console.print(
        "sizes: one frame at a time until its answer; goodput: the best, one way; cpu: both ends,"
        f" of a frame of {largest}",
        style="dim",
    )
    for note in _notes(found):
        console.print(f"note: {one_line(note)}", style="dim")


def _row(profile: LinkProfile) -> list[str]:
    question, report = profile.question, profile.report
    largest = report.sizes[-1]
    return [
        question.source,
        question.target,
        f"{question.link}, TLS" if report.encrypted else question.link,
        time_text(report.round_trip.p50),
        time_text(profile.jitter_seconds),
        *(time_text(size.seconds.p50) for size in report.sizes),
        rate_text(profile.bytes_per_second),
        time_text(largest.sender_cpu_seconds + largest.receiver_cpu_seconds),
    ]


def _size_text(size_bytes: int) -> str:
    """Return a size as it is asked for, such as ``600 kB``."""
    for factor, unit in ((10**6, "MB"), (10**3, "kB")):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.3g} {unit}"
    return f"{size_bytes} B"


def _notes(found: LinksOutcome) -> list[str]:
    notes = [f"{a} to {b} by {link}: none ({why})" for (a, b, link), why in found.absent.items()]
    if found.reused:
        notes.append(f"{found.reused} measured before; --again measures anew")
    for profile in found.profiles:
        load, asked = profile.report.load, profile.question
        if load.others_busy_ratio >= BUSY_RATIO:
            busy = f"{100 * load.others_busy_ratio:.0f} % of {asked.source}'s cores"
            notes.append(f"{asked.source} to {asked.target} by {asked.link}: others used {busy}")
    return notes
