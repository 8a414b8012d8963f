"""Compare tensors with what they should be: bit by bit, and within a tolerance."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wire.manifest import Tolerance

_LAST_PLACES = 4
"""What a narrow type may differ by, in units of its precision: float16 cannot hold 1e-4."""


class Difference(NamedTuple):
    """How far one tensor is from the expected one."""

    bit_equal: bool
    within: bool
    max_abs_diff: float
    """Infinite where shape or type differ, or only one of the two is a number."""


def compare(got: NDArray[Any], expected: NDArray[Any], tolerance: Tolerance) -> Difference:
    """Return how far ``got`` is from ``expected``: |got - expected| <= a + r * |expected|.

    NaN equals NaN, and an infinity itself.
    """
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return Difference(bit_equal=False, within=False, max_abs_diff=float("inf"))
    if got.tobytes() == expected.tobytes():
        return Difference(bit_equal=True, within=True, max_abs_diff=0.0)
    relative = tolerance.relative
    if np.issubdtype(expected.dtype, np.floating):
        relative = max(relative, _LAST_PLACES * float(np.finfo(expected.dtype).eps))
    a, b = got.astype(np.float64), expected.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(a - b))
    apart[np.isnan(apart)] = np.inf
    allowed = tolerance.absolute + relative * np.where(np.isfinite(b), np.abs(b), 0.0)
    return Difference(
        bit_equal=False,
        within=bool((apart <= allowed).all()),
        max_abs_diff=float(apart.max(initial=0.0)),
    )
