"""What ``paceline run`` says in the end."""

from typing import Any, Final

import msgspec
from rich.console import Console

from paceline.answers import Answer
from paceline.formatting import seconds_text
from paceline.run_files import Feed
from wire.errors import CodedError
from wire.messages import Account, Route

_SHOWN: Final = 10


class Quantiles(msgspec.Struct, frozen=True, kw_only=True):
    """Two numbers that describe many."""

    p50: float
    p95: float


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is nothing to show, or not all of it."""

    code: str
    message: str


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What ``--json`` prints."""

    pipeline: str
    generation: int
    output: str | None
    """The file that holds the first result; None: there was none."""
    found: Any
    """What it says, where the manifest tells how to read it."""
    account: Account
    frames_per_second: float | None
    """Results in the time from the first submit to the last result; None for a single frame."""
    latency_seconds: Quantiles | None
    """None: there was no result."""
    failed: dict[str, int]
    """Frames without a result, by reason."""
    error: Problem | msgspec.UnsetType = msgspec.UNSET
    """Left out unless no frame had a result, or the pipeline was undeployed meanwhile."""


def summary(
    answers: list[Answer],
    account: Account,
    route: Route,
    output: str | None,
    said: Any,
    error: CodedError | None,
) -> RunSummary:
    """Return what a run came to.

    Args:
        answers: One for each frame that was submitted.
        account: The client's accounting of them.
        route: Where they went, in the end.
        output: The file that holds the first result.
        said: What that says.
        error: Why no frame had a result, or no more were taken.
    """
    results = [answer for answer in answers if answer.error is None]
    failed: dict[str, int] = {}
    for answer in answers:
        if answer.error is not None:
            failed[answer.error.reason] = failed.get(answer.error.reason, 0) + 1
    return RunSummary(
        pipeline=account.pipeline,
        generation=route.generation,
        output=output,
        found=said,
        account=account,
        frames_per_second=_rate(answers, results),
        latency_seconds=_latency(results),
        failed=failed,
        error=Problem(code=error.code, message=str(error)) if error else msgspec.UNSET,
    )


def _rate(answers: list[Answer], results: list[Answer]) -> float | None:
    if len(answers) < 2 or not results:
        return None
    began = min(answer.submitted_ns for answer in answers)
    seconds = (max(answer.answered_ns for answer in results) - began) / 1e9
    return len(results) / seconds if seconds > 0 else None


def _latency(results: list[Answer]) -> Quantiles | None:
    if not results:
        return None
    ordered = sorted(answer.latency_seconds for answer in results)
    return Quantiles(p50=_quantile(ordered, 0.5), p95=_quantile(ordered, 0.95))


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def show(console: Console, summary: RunSummary, feed: Feed) -> None:
    """Print it for people."""
    account = summary.account
    errors = sum(account.errors.values())
    console.print(
        f"{account.submitted} submitted = {account.results} results + {errors} errors"
        f" + {account.drops} drops + {account.in_flight} in flight; lost: {account.lost}"
    )
    latency = summary.latency_seconds
    if latency is not None:
        times = f"latency p50 {seconds_text(latency.p50)}, p95 {seconds_text(latency.p95)}"
        if summary.frames_per_second is not None:
            times += f"; {summary.frames_per_second:.1f} frames/s"
        console.print(times)
    for reason, times_failed in summary.failed.items():
        console.print(f"failed: {times_failed} x {reason}", style="red")
    if summary.found is not None and feed.picture is not None:
        _show_found(console, summary.found)
    if summary.output is not None:
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
