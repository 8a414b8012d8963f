"""Top-1 agreement: whether the largest score stands in the same place."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleet.metrics import Arrays, Score, near_share
from wire.manifest import Tolerance


class Top1:
    """Passes when every row of scores, over the last axis, is largest in the same place."""

    def compare(self, got: Arrays, expected: Arrays, tolerance: Tolerance) -> Score:
        """Return the smallest share of rows that agree, of all outputs; see ``Metric``."""
        found = [_share(got[name], wanted, tolerance) for name, wanted in expected.items()]
        value = min(found, default=1.0)
        return Score("top1", value, higher_is_better=True, passes=value >= 1.0)


def _share(got: NDArray[Any], expected: NDArray[Any], tolerance: Tolerance) -> float:
    """Return the share of rows that agree; what has no rows of scores has to be near."""
    scores = expected.dtype.kind == "f" and expected.ndim > 0 and expected.shape[-1] > 1
    if not scores or got.shape != expected.shape or got.dtype != expected.dtype:
        return near_share(got, expected, tolerance)
    agree = got.argmax(axis=-1) == expected.argmax(axis=-1)
    numbers = np.isnan(got).any(axis=-1) == np.isnan(expected).any(axis=-1)
    return float(np.mean(agree & numbers)) if agree.size else 1.0


PLUGIN = Top1
