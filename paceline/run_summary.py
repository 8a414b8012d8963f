"""What ``paceline run`` says in the end."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from rich.console import Console

from paceline.answers import Answer
from paceline.formatting import counted, seconds_text
from wire import link_names
from wire.accounting import DEADLINE
from wire.errors import CodedError
from wire.messages import Account, Route

_SHOWN: Final = 10
_REMEMBERED: Final = 4096
"""Latencies are told of so many newest results."""


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
    """Frames without a result, by reason; not those that the policy dropped."""
    late: int
    """Of these, the ones that had no answer by their deadline."""
    source: str | msgspec.UnsetType = msgspec.UNSET
    """Where many frames came from; this and what follows are left out for a single input."""
    policy: str | msgspec.UnsetType = msgspec.UNSET
    skipped: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    """What the source gave that made no frame, by code."""
    unsent: int | msgspec.UnsetType = msgspec.UNSET
    """Answers that the sink could not deliver."""
    error: Problem | msgspec.UnsetType = msgspec.UNSET
    """Left out unless no frame had a result, or the run ended before its time."""


class Tally:
    """The answers of a run, counted as they come; none is kept."""

    def __init__(self, answers: Iterable[Answer] = ()) -> None:
        self.failed: Counter[str] = Counter()
        self.results = 0
        self.dropped = 0
        self._began_ns: int | None = None
        self._ended_ns = 0
        self._latencies: deque[float] = deque(maxlen=_REMEMBERED)
        for answer in answers:
            self.add(answer)

    def add(self, answer: Answer) -> None:
        """Count an answer."""
        if self._began_ns is None:
            self._began_ns = answer.submitted_ns
        if answer.error is None:
            self.results += 1
            self._ended_ns = max(self._ended_ns, answer.answered_ns)
            self._latencies.append(answer.latency_seconds)
        elif answer.dropped:
            self.dropped += 1
        else:
            self.failed[answer.error.reason] += 1

    @property
    def late(self) -> int:
        """Frames that had no answer by their deadline."""
        return self.failed[DEADLINE]

    @property
    def frames_per_second(self) -> float | None:
        """Results in the time from the first submit to the last result; None for one answer."""
        if self.results + self.dropped + self.failed.total() < 2 or self._began_ns is None:
            return None
        seconds = (self._ended_ns - self._began_ns) / 1e9
        return self.results / seconds if self.results and seconds > 0 else None

    @property
    def latency(self) -> Quantiles | None:
        """Of the newest results; None: there was none."""
        if not self._latencies:
            return None
        ordered = sorted(self._latencies)
        return Quantiles(p50=_quantile(ordered, 0.5), p95=_quantile(ordered, 0.95))

    def line(self) -> str:
        """Return how it goes, for people."""
        parts = [counted(self.results, "result")]
        if self.frames_per_second is not None:
            parts.append(f"{self.frames_per_second:.1f} frames/s")
        failed = self.failed.total() - self.late
        counts = ((self.dropped, "dropped"), (self.late, "late"), (failed, "failed"))
        return ", ".join(parts + [f"{count} {what}" for count, what in counts if count])


def summary(
    tally: Tally,
    account: Account,
    route: Route,
    output: str | None,
    said: Any,
    error: CodedError | Problem | None,
    **many: Any,
) -> RunSummary:
    """Return what a run came to.

    Args:
        tally: The answers.
        account: The client's accounting of them.
        route: Where they went, in the end.
        output: The file that holds the first result, or where all answers went.
        said: What that says.
        error: Why no frame had a result, or no more were taken.
        many: What is told of a source alone.
    """
    if isinstance(error, CodedError):
        error = Problem(code=error.code, message=str(error))
    return RunSummary(
        pipeline=account.pipeline,
        generation=route.generation,
        output=output,
        found=said,
        account=account,
        frames_per_second=tally.frames_per_second,
        latency_seconds=tally.latency,
        failed=dict(tally.failed),
        late=tally.late,
        error=error or msgspec.UNSET,
        **many,
    )


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def show(console: Console, summary: RunSummary) -> None:
    """Print it for people."""
    account = summary.account
    errors = sum(account.errors.values())
    console.print(
        f"{account.submitted} submitted = {counted(account.results, 'result')}"
        f" + {counted(errors, 'error')} + {counted(account.drops, 'drop')}"
        f" + {account.in_flight} in flight; lost: {account.lost}"
    )
    latency = summary.latency_seconds
    if latency is not None:
        times = f"latency p50 {seconds_text(latency.p50)}, p95 {seconds_text(latency.p95)}"
        if summary.frames_per_second is not None:
            times += f"; {summary.frames_per_second:.1f} frames/s"
        console.print(times)
    ways = [("frames went straight to", account.links), ("answers came from", account.links_back)]
    said = [f"{words} {', '.join(found)}" for words, links in ways if (found := _direct(links))]
    if said:
        console.print("; ".join(said))
    _show_counts(console, "failed", summary.failed)
    _show_counts(console, "skipped", summary.skipped or {})
    if summary.unsent:
        console.print(f"not delivered: {counted(summary.unsent, 'answer')}", style="red")
    if summary.found is not None:
        _show_found(console, summary.found)
    if summary.output is not None:
        many = summary.source is not msgspec.UNSET
        console.print(f"{'The answers are' if many else 'The first result is'} in {summary.output}")


def _direct(links: Mapping[str, str]) -> list[str]:
    others = {*link_names.BROKERED, link_names.NONE}
    return [f"{device} by {link}" for device, link in links.items() if link not in others]


def _show_counts(console: Console, what: str, counts: Mapping[str, int]) -> None:
    for reason, times in counts.items():
        name = "late" if reason == DEADLINE else what
        console.print(f"{name}: {times} x {reason}", style="red")


def _show_found(console: Console, found: Any) -> None:
    for item in found[:_SHOWN]:
        name = getattr(item, "name", None)
        if name is None:
            left, top = item.corners[0]
            name = f"text at {left:.0f}, {top:.0f}"
        console.print(f"  {item.score:.2f}  {name}")
    if len(found) > _SHOWN:
        console.print(f"  ... and {len(found) - _SHOWN} more")
