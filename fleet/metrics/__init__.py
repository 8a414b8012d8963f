"""Output metrics: whether a split's outputs are near enough to the model's; one file each.

To add one: write ``fleet/metrics/<name>.py`` with a class that fits ``Metric`` and ``PLUGIN =
ThatClass``; ``paceline verify --metric <name>`` finds it. It judges one sample at a time, and the
worst sample decides. Every output counts: one that a metric has no opinion of must be near in
every element (``near_share``), and what is no number passes only where none is expected.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fleet.compare import compare
from wire.manifest import Tolerance

Arrays = Mapping[str, NDArray[Any]]


class Score(NamedTuple):
    """How near a sample's outputs are."""

    name: str
    """Of the metric."""
    value: float
    higher_is_better: bool
    passes: bool
    """Whether the value reaches the metric's threshold."""

    def worse_than(self, other: "Score") -> bool:
        """Whether this is the score that decides; one that does not pass always does."""
        if self.passes != other.passes:
            return other.passes
        if np.isnan(self.value) or np.isnan(other.value):
            return bool(np.isnan(self.value))
        return self.value < other.value if self.higher_is_better else self.value > other.value


class Metric(Protocol):
    """Judges the outputs of one sample."""

    def compare(self, got: Arrays, expected: Arrays, tolerance: Tolerance) -> Score:
        """Return how near ``got`` is to ``expected``, which has the same names.

        Shapes and types may differ, which is never near. ``tolerance`` is that of elements; a
        metric of something else ignores it.
        """
        ...


def near_share(got: NDArray[Any], expected: NDArray[Any], tolerance: Tolerance) -> float:
    """Return the share of elements that are near: for outputs that a metric has no opinion of."""
    found = compare(got, expected, tolerance)
    if found.within or not expected.size:
        return float(found.within)
    return 1.0 - found.beyond / expected.size
