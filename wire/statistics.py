"""Numbers that describe many measurements. Pure."""

import math
import statistics
from collections.abc import Sequence
from typing import Final

Z: Final = 1.96
"""Of the normal distribution, for 95 %."""


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of ``values`` do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered), -int(-share * len(ordered) // 1)) - 1)]


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return between which of the values the median is with 95 % confidence.

    Of fewer than six it is all of them. Source: W. J. Conover, Practical nonparametric statistics,
    confidence interval for a quantile (ranks by the normal approximation of the binomial).
    """
    ordered = sorted(values)
    count = len(ordered)
    half = Z / 2 * math.sqrt(count)
    low = max(0, math.floor(count / 2 - half))
    high = min(count - 1, math.ceil(count / 2 + half))
    return ordered[low], ordered[high]


def settled(values: Sequence[float], last: int, within: float) -> bool:
    """Whether the ``last`` values differ from their mean by at most ``within`` of it."""
    if len(values) < last:
        return False
    recent = values[-last:]
    mean = statistics.fmean(recent)
    return all(abs(value - mean) <= within * mean for value in recent)


def median_within(values: Sequence[float], share: float, least: int = 10) -> bool:
    """Whether the median is known: of ``least`` values or more, within ``share`` of it.

    That is: its 95 % interval is, and neither half of the values, in their order, says otherwise.
    """
    if len(values) < least:
        return False
    median, half = statistics.median(values), len(values) // 2
    said = (
        *median_interval(values),
        statistics.median(values[:half]),
        statistics.median(values[half:]),
    )
    return all(abs(value - median) <= share * median for value in said)
