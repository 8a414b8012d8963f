"""Cosine similarity: whether outputs point the same way, whatever their length."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fleet.metrics import Arrays, Score, near_share
from wire.manifest import Tolerance

THRESHOLD: Final = 0.9999


class Cosine:
    """Passes when the similarity of each float output is at least 0.9999; others are equal."""

    def compare(self, got: Arrays, expected: Arrays, tolerance: Tolerance) -> Score:
        """Return the smallest similarity of all outputs; see ``Metric``."""
        found = [_similarity(got[name], wanted, tolerance) for name, wanted in expected.items()]
        value = min(found, default=1.0)
        return Score("cosine", value, higher_is_better=True, passes=value >= THRESHOLD)


def _similarity(got: NDArray[Any], expected: NDArray[Any], tolerance: Tolerance) -> float:
    """Return the cosine: 1 for two zeros, 0 where only one has a direction."""
    if expected.dtype.kind != "f" or got.shape != expected.shape or got.dtype != expected.dtype:
        return float(near_share(got, expected, tolerance) == 1.0)
    a, b = (array.astype(np.float64).reshape(-1) for array in (got, expected))
    numbers = np.isfinite(b)
    if not np.array_equal(a[~numbers], b[~numbers], equal_nan=True):
        return 0.0
    a, b = a[numbers], b[numbers]
    if not np.isfinite(a).all():
        return 0.0
    largest = [np.abs(vector).max(initial=0.0) for vector in (a, b)]
    if 0.0 in largest:
        return float(largest[0] == largest[1])
    a, b = a / largest[0], b / largest[1]  # squares of what is large or small are no numbers
    cosine = np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.clip(cosine, -1.0, 1.0))


PLUGIN = Cosine
