"""What a soak has to show, and whether it does. Pure."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scripts.soaking.book import Told
from scripts.soaking.watch import Sample, Watched
from wire import link_names

MEMORY_BOUND_MB_PER_HOUR: Final = 1.0
WRITTEN_BOUND_MB_PER_DAY: Final = 10.0
WRITTEN_BOUND_MB_PER_ORDER: Final = 0.025
"""An order is kept before it is obeyed: three or four pages and the folder's."""
JUDGED_SECONDS: Final = 3000.0
"""A process that was watched for less is not judged by its slope: warming up is not growing."""
SHOWN_SECONDS: Final = 120.0
"""A slope over less means nothing at all."""
FLAT: Final = 2
"""By how many the file descriptors or threads of a process may differ between begin and end."""


@dataclass(frozen=True, slots=True)
class Check:
    """One claim."""

    name: str
    passed: bool | None
    """None: shown, not judged."""
    shown: str


@dataclass(frozen=True, slots=True)
class Growth:
    """How one process changed, from its warm-up to its end."""

    role: str
    seconds: float
    private_mb: float
    """At the end."""
    private_mb_per_hour: float
    pss_mb_per_hour: float
    descriptors: tuple[float, float]
    """The most in the first half, and the median of the last fifth."""
    threads: tuple[float, float]

    @property
    def judged(self) -> bool:
        """Whether it was watched for long enough."""
        return self.seconds >= JUDGED_SECONDS


@dataclass(frozen=True, slots=True)
class Blow:
    """A fault that was done, and what came of it."""

    kind: str
    began: float
    ended: float
    what: str
    silence_seconds: float
    bound_seconds: float
    failure: str | None = None


def growth(process: Watched, warm_up_seconds: float) -> Growth | None:
    """Return how a process changed; None: it was not there for long enough to tell."""
    if not process.samples:
        return None
    begin = process.samples[0].at + warm_up_seconds
    seen = [sample for sample in process.samples if sample.at >= begin]
    if len(seen) < 10 or seen[-1].at - seen[0].at < SHOWN_SECONDS:
        return None
    return Growth(
        role=process.role,
        seconds=seen[-1].at - seen[0].at,
        private_mb=seen[-1].private_bytes / 1e6,
        private_mb_per_hour=_slope(seen, [s.private_bytes / 1e6 for s in seen]) * 3600,
        pss_mb_per_hour=_slope(seen, [s.pss_bytes / 1e6 for s in seen]) * 3600,
        descriptors=_ends([s.descriptors for s in seen]),
        threads=_ends([s.threads for s in seen]),
    )


def written(mb_per_day: Mapping[str, float], device: str, orders_per_day: float) -> Check:
    """Return the check of what a device's agent and its workers had written to its disk."""
    total = sum(mb for role, mb in mb_per_day.items() if role.split()[-1] == device)
    bound = WRITTEN_BOUND_MB_PER_DAY + WRITTEN_BOUND_MB_PER_ORDER * orders_per_day
    shown = f"{device}: {total:.1f} MB a day with {orders_per_day:.0f} orders, at most {bound:.0f}"
    return Check("written to disk", total <= bound, shown)


def links(wanted: str, changes: Mapping[str, int]) -> Check:
    """Return the check that a direct link was used, if one was wanted: ``from > to``, how often."""
    used = any(not change.endswith(link_names.BROKERED) for change in changes)
    shown = ", ".join(f"{change} {count} times" for change, count in sorted(changes.items()))
    shown = f"{wanted}; {shown or 'none'}"
    return Check("changes of links", used if wanted in link_names.DIRECT else None, shown)


def accounting(told: Iterable[Told]) -> list[Check]:
    """Return the checks of the frames; every client has ended."""
    pipelines = list(told)

    def total(name: str) -> int:
        return sum(p.sum(name) for p in pipelines)

    def checked(name: str) -> int:
        return sum(p.checks()[name] for p in pipelines)

    submitted, results, drops = total("submitted"), total("results"), total("drops")
    errors = sum(p.errors().total() for p in pipelines)
    left, lost = total("in_flight"), total("lost")
    words = [word for p in pipelines for word in p.words]
    largest = max((word["largest_difference"] for word in words), default=0.0)
    ended = all(word["end"] for word in words)
    balanced = submitted == results + errors + drops + left and not checked("sums wrong")
    once = not checked("out of order") and not checked("ended otherwise than once")
    return [
        Check(
            "accounting exact",
            balanced and submitted > 0,
            f"{submitted} = {results} results + {errors} errors + {drops} drops + {left};"
            f" {checked('sums checked')} samples, {checked('sums wrong')} wrong",
        ),
        Check("in flight at the end", left == 0 and ended, str(left)),
        Check(
            "each frame ends once",
            once,
            f"{checked('answers')} answers in {checked('streams')} streams",
        ),
        Check("frames lost", lost == 0, str(lost)),
        Check(
            "answers right",
            checked("wrong") == 0 and results > 0,
            f"{results} compared, {checked('wrong')} wrong, largest difference {largest:.2g}",
        ),
    ]


def memory(grown: Sequence[Growth]) -> Check:
    """Return the check of the slopes."""
    judged = [g for g in grown if g.judged]
    if not judged:
        return Check("memory slope", None, f"shown only: nothing ran {JUDGED_SECONDS / 60:.0f} min")
    worst = max(judged, key=lambda g: g.private_mb_per_hour)
    return Check(
        "memory slope",
        worst.private_mb_per_hour < MEMORY_BOUND_MB_PER_HOUR,
        f"{len(judged)} processes; worst {worst.private_mb_per_hour:+.2f} MB/h: {worst.role}",
    )


def flat(grown: Sequence[Growth]) -> list[Check]:
    """Return the checks of file descriptors and threads."""
    checks = []
    for name, of in (("file descriptors", "descriptors"), ("threads", "threads")):
        pairs = {g.role: getattr(g, of) for g in grown}
        grew = {role: pair for role, pair in pairs.items() if pair[1] - pair[0] > FLAT}
        shown = ", ".join(f"{role} {a:g} > {b:g}" for role, (a, b) in grew.items())
        text = shown or f"flat in {len(pairs)} processes"
        checks.append(Check(f"{name} flat", not grew if pairs else None, text))
    return checks


def recovery(blows: Sequence[Blow]) -> Check:
    """Return the check of the faults."""
    bad = [
        f"{b.kind} ({b.what}): {b.failure or f'{b.silence_seconds:.1f} s, not {b.bound_seconds:g}'}"
        for b in blows
        if b.failure or b.silence_seconds > b.bound_seconds
    ]
    return Check("every fault recovered", not bad, "; ".join(bad) or f"{len(blows)} faults")


def none_of(name: str, found: Sequence[str]) -> Check:
    """Return the check that there is nothing of a kind."""
    return Check(name, not found, "; ".join(found) or "none")


def _slope(samples: Sequence[Sample], values: Sequence[float]) -> float:
    """Return the least squares slope, per second."""
    return statistics.linear_regression([s.at for s in samples], values).slope


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Return the most of the first half and the median of the last fifth.

    A process that has lost its broker has fewer, so the first half's median may be low.
    """
    return max(values[: len(values) // 2]), statistics.median(values[-len(values) // 5 :])
