"""Compare tensors with what they should be: bit by bit, and within a tolerance."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wire.manifest import Tolerance

HALF: Final = Tolerance(absolute=1e-3, relative=1e-2)
"""For float16, which has 11 bits, and which CPUs compute in float32 between cuts."""


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
    a, b = got.astype(np.float64), expected.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(a - b))
    apart[np.isnan(apart)] = np.inf
    allowed = tolerance.absolute + tolerance.relative * np.where(np.isfinite(b), np.abs(b), 0.0)
    return Difference(
        bit_equal=False,
        within=bool((apart <= allowed).all()),
        max_abs_diff=float(apart.max(initial=0.0)),
    )


def tolerance_for(outputs: Iterable[NDArray[Any]]) -> Tolerance:
    """Return how far a device's outputs may be from these, which were computed plainly.

    Kernels add in other orders, so an element's error grows with the terms of its sum and not
    with the sum: near zero it is that of the tensor's large elements (measured: up to 1.2e-6 of
    the largest, where whole networks are optimised).
    """
    floats = [array for array in outputs if np.issubdtype(array.dtype, np.floating)]
    least = HALF if any(array.dtype == np.float16 for array in floats) else Tolerance()
    largest = [np.abs(array[np.isfinite(array)]).max(initial=1.0) for array in floats]
    absolute = least.absolute * float(max(largest, default=1.0))
    return Tolerance(absolute=float(f"{absolute:.1e}"), relative=least.relative)
