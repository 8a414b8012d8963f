"""Times that differ from frame to frame: lognormal, fitted to a median and a ninetieth percentile.

Measured times of stages and links are never below a least, and have a long tail above; two
percentiles say as much of that as two numbers can. Each resource draws from a sequence of its own,
so that another number of frames, or a change elsewhere, changes no other resource's times.
"""

import math
import random
from collections.abc import Callable
from typing import Final

Draw = Callable[[], float]
_Z90: Final = 1.2815515655446004
"""The ninetieth percentile of the standard normal distribution."""


def times(median: float, p90: float, seed: int, name: str) -> Draw:
    """Return what draws times with these percentiles; equal ones: always the median.

    Args:
        median: Seconds, above 0 unless both are 0.
        p90: Seconds, at least the median.
        seed: Of the run.
        name: Of what takes the time.
    """
    if p90 <= median:
        return lambda: median
    mu, sigma = math.log(median), math.log(p90 / median) / _Z90
    draw = generator(seed, name).lognormvariate
    return lambda: draw(mu, sigma)


def median(mean: float, spread: float) -> float:
    """Return the median of times with this mean, whose ninetieth percentile is ``spread`` times it.

    Work is done at the pace of means: simulated times shall have the mean that was measured.
    """
    return mean / math.exp((math.log(spread) / _Z90) ** 2 / 2)


def gaps(rate: float, seed: int, name: str) -> Draw:
    """Return what draws the seconds between frames that come independently."""
    draw = generator(seed, name).expovariate
    return lambda: draw(rate)


def generator(seed: int, name: str) -> random.Random:
    """Return the sequence of one thing in one run."""
    return random.Random(f"{seed}/{name}")  # noqa: S311 a simulation, no secret
