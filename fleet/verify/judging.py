"""Judge what a split gave for one case: bits with optimisations off, a metric with them on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleet.compare import Difference, compare
from fleet.metrics import Metric, Score
from fleet.verify import differing
from fleet.verify.evidence import Found
from fleet.verify.report import Stop, TensorDifference, Tie
from fleet.verify.subject import Arrays, Subject
from wire.manifest import Segment

Look = Callable[[Arrays, Arrays, list[str]], Found]
"""Takes what came, what was expected, and the outputs that differ; looks for ties."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one case with optimisations on, or off."""

    good: bool
    bit_equal: bool
    within: bool
    max_abs_diff: float
    score: Score | None = None
    first: TensorDifference | None = None
    ties: tuple[Tie, ...] = ()
    stopped: Stop | None = None


def plain(subject: Subject, got: Arrays, expected: Arrays) -> Outcome:
    """Judge outputs that were computed with optimisations off."""
    rule = differing.rule(subject, optimisations=False)
    found = _compared(subject, got, expected)
    good = not any(rule.broken_by(one) for one in found.values())
    return Outcome(
        good=good,
        bit_equal=all(one.bit_equal for one in found.values()),
        within=all(one.within for one in found.values()),
        max_abs_diff=_largest(found),
        first=None if good else differing.first(subject, got, expected, rule),
    )


def fast(subject: Subject, metric: Metric, got: Arrays, expected: Arrays, look: Look) -> Outcome:
    """Judge outputs that were computed with optimisations on; ``look`` looks for ties.

    What is a tie is set right before the metric is asked again, so only the rest can fail it.
    """
    score = metric.compare(got, expected, subject.tolerance)
    found = _compared(subject, got, expected)
    seen = Found()
    if not score.passes:
        beyond = [name for name, one in found.items() if not one.within]
        seen = look(got, expected, [n for n in beyond if _same_kind(got[n], expected[n])])
    if seen.tied:
        right = {n: np.where(tied, expected[n], got[n]) for n, tied in seen.tied.items()}
        got = {**got, **right}
        score = metric.compare(got, expected, subject.tolerance)
        found = _compared(subject, got, expected)
    first = None
    if not score.passes:
        rule = differing.rule(subject, optimisations=True)
        rules = (rule, rule._replace(bits=True))  # a metric may be stricter than the tolerance
        firsts = (differing.first(subject, got, expected, one, seen.remarks) for one in rules)
        first = next((one for one in firsts if one is not None), None)
    return Outcome(
        good=score.passes,
        bit_equal=all(one.bit_equal for one in found.values()),
        within=all(one.within for one in found.values()),
        max_abs_diff=_largest(found),
        score=score,
        first=first,
        ties=seen.ties,
    )


def stopped(subject: Subject, segment: Segment, reason: str, *, optimisations: bool) -> Outcome:
    """Judge a segment that did not run: nothing came."""
    stop = Stop(
        tensor=segment.outputs[0].name if segment.outputs else segment.name,
        stage=subject.manifest.segments.index(segment),
        segment=segment.name,
        optimisations=optimisations,
        reason=reason,
    )
    return Outcome(good=False, bit_equal=False, within=False, max_abs_diff=np.inf, stopped=stop)


def _compared(subject: Subject, got: Arrays, expected: Arrays) -> dict[str, Difference]:
    return {name: compare(got[name], expected[name], subject.tolerance) for name in subject.outputs}


def _same_kind(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype


def _largest(found: Mapping[str, Difference]) -> float:
    return max((one.max_abs_diff for one in found.values()), default=0.0)
