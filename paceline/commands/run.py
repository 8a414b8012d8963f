"""``paceline run``."""

import itertools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter, validators
from rich.console import Console

import paceline
from paceline import run_files
from paceline.answers import Answer
from paceline.formatting import seconds_text
from paceline.options import OutputOptions, SiteOptions
from paceline.output import Output
from paceline.run_files import Feed
from paceline.stream import DEFAULT_DEADLINE_SECONDS, DEFAULT_WINDOW
from wire.messages import Account

_SHOWN = 10

Positive = Annotated[float, Parameter(validator=validators.Number(gt=0))]
Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]


class Quantiles(msgspec.Struct, frozen=True, kw_only=True):
    """Two numbers that describe many."""

    p50: float
    p95: float


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What ``--json`` prints."""

    pipeline: str
    generation: int
    output: str
    """The file that holds the first result."""
    found: Any
    """What it says, where the manifest tells how to read it."""
    account: Account
    frames_per_second: float | None
    """Results in the time from the first submit to the last result; None for a single frame."""
    latency_seconds: Quantiles
    failed: dict[str, int]
    """Frames without a result, by reason."""


def run(  # noqa: PLR0913 one for each option
    pipeline: str,
    /,
    *,
    source: Annotated[Path, Parameter(name="--input")],
    output: Path,
    count: Count = 1,
    rate: Positive | None = None,
    window: Count = DEFAULT_WINDOW,
    deadline: Positive = DEFAULT_DEADLINE_SECONDS,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Feed a pipeline with a picture or with tensors.

    Args:
        pipeline: Its name.
        source: A picture, or an .npz with one array for each input.
        output: Where the first result goes: .npz (tensors), .json, or a picture with the answer.
        count: How often the input is fed.
        rate: Frames a second at most; else as fast as the window allows.
        window: Frames in flight at most.
        deadline: Seconds after which a frame without an answer has failed.
        where: Which site.
        how: How to answer.
    """
    loaded, out = where.load().settings, how.output
    with paceline.connect(
        loaded.broker.url,
        site=loaded.site,
        root=loaded.root,
        access=loaded.access,
        max_packet_bytes=loaded.broker.max_packet_bytes,
    ) as site:
        found = site.pipeline(pipeline)
        feed = run_files.read(source, found.route)
        run_files.check_output(output, found.route, feed)
        frames = itertools.repeat(feed.arrays, count)
        stream = found.stream(frames, window=window, rate=rate, deadline_seconds=deadline)
        answers = _watched(stream, count, out)
        route, account = found.route, found.account
    assert account is not None
    results = [answer for answer in answers if answer.error is None]
    if not results and answers[0].error is not None:
        raise answers[0].error
    said = run_files.found(results[0].tensors, route, feed)
    run_files.write(output, results[0].tensors, said, feed)
    summary = _summary(answers, account, route.generation, str(output), said)
    out.result(summary, lambda console: _show(console, summary, feed))
    return 1 if summary.failed else 0


def _watched(stream: Iterable[Answer], count: int, out: Output) -> list[Answer]:
    """Return all answers; on a terminal, with a line that counts them.

    Tensors of all but the first result are let go: a long run must not fill the memory.
    """
    answers: list[Answer] = []
    kept = False
    status = out.aside.status("") if out.live else None
    if status:
        status.start()
    try:
        for answer in stream:
            answers.append(replace(answer, tensors={}) if kept else answer)
            kept = kept or answer.error is None
            if status:
                status.update(f"{len(answers)} of {count} frames")
    finally:
        if status:
            status.stop()
    return answers


def _summary(
    answers: list[Answer], account: Account, generation: int, output: str, said: Any
) -> RunSummary:
    results = [answer for answer in answers if answer.error is None]
    latencies = sorted(answer.latency_seconds for answer in results)
    began = min(answer.submitted_ns for answer in answers)
    seconds = (max(answer.answered_ns for answer in results) - began) / 1e9
    failed: dict[str, int] = {}
    for answer in answers:
        if answer.error is not None:
            failed[answer.error.reason] = failed.get(answer.error.reason, 0) + 1
    return RunSummary(
        pipeline=account.pipeline,
        generation=generation,
        output=output,
        found=said,
        account=account,
        frames_per_second=len(results) / seconds if len(answers) > 1 and seconds > 0 else None,
        latency_seconds=Quantiles(p50=_quantile(latencies, 0.5), p95=_quantile(latencies, 0.95)),
        failed=failed,
    )


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _show(console: Console, summary: RunSummary, feed: Feed) -> None:
    account = summary.account
    errors = sum(account.errors.values())
    console.print(
        f"{account.submitted} submitted = {account.results} results + {errors} errors"
        f" + {account.drops} drops + {account.in_flight} in flight; lost: {account.lost}"
    )
    latency = summary.latency_seconds
    times = f"latency p50 {seconds_text(latency.p50)}, p95 {seconds_text(latency.p95)}"
    if summary.frames_per_second is not None:
        times += f"; {summary.frames_per_second:.1f} frames/s"
    console.print(times)
    for reason, times_failed in summary.failed.items():
        console.print(f"failed: {times_failed} x {reason}", style="red")
    if summary.found is not None and feed.picture is not None:
        _show_found(console, summary.found)
    console.print(f"The first result is in {summary.output}")


def _show_found(console: Console, found: Any) -> None:
    for item in found[:_SHOWN]:
        name = getattr(item, "name", None)
        if name is None:
            left, top = item.corners[0]
            name = f"text at {left:.0f}, {top:.0f}"
        console.print(f"  {item.score:.2f}  {name}")
    if len(found) > _SHOWN:
        console.print(f"  ... and {len(found) - _SHOWN} more")
