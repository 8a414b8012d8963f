"""Compare tensors with what they should be: bit by bit, and within a tolerance.

Large tensors are compared in pieces: a comparison needs a few MB, whatever it compares.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wire.manifest import Tolerance

HALF: Final = Tolerance(absolute=1e-3, relative=1e-2)
"""For float16, which has 11 bits, and which CPUs compute in float32 between cuts."""

QUANTISED: Final = (np.dtype("int8"), np.dtype("uint8"), np.dtype("int16"), np.dtype("uint16"))
"""Whole numbers that may stand for real ones."""

_PIECE: Final = 1 << 20
"""Elements that are compared at once."""


class Allowance(Tolerance, frozen=True, kw_only=True):
    """A tolerance that quantised tensors have a part in."""

    quanta: int = 0
    """How many steps whole numbers of 8 and 16 bits may be off."""


class Difference(NamedTuple):
    """How far one tensor is from the expected one."""

    bit_equal: bool
    within: bool
    max_abs_diff: float
    """Infinite where shape or type differ, or only one of the two is a number."""
    unequal: int = 0
    """Elements that are not equal bit by bit."""
    beyond: int = 0
    """Elements that are not within the tolerance."""


def compare(got: NDArray[Any], expected: NDArray[Any], tolerance: Tolerance) -> Difference:
    """Return how far ``got`` is from ``expected``: |got - expected| <= a + r * |expected|.

    NaN equals NaN, and an infinity itself. Only floats have a tolerance: an index or a class
    that is one off is another one, however large it is; quantised ones, where an `Allowance` says.
    """
    if got.shape != expected.shape or got.dtype != expected.dtype:
        every = expected.size
        return Difference(
            bit_equal=False, within=False, max_abs_diff=np.inf, unequal=every, beyond=every
        )
    a, b = np.ascontiguousarray(got).reshape(-1), np.ascontiguousarray(expected).reshape(-1)
    pieces = [
        _piece(a[at : at + _PIECE], b[at : at + _PIECE], tolerance)
        for at in range(0, a.size, _PIECE)
    ]
    unequal = sum(piece.unequal for piece in pieces)
    beyond = sum(piece.beyond for piece in pieces)
    return Difference(
        bit_equal=not unequal,
        within=not beyond,
        max_abs_diff=max((piece.max_abs_diff for piece in pieces), default=0.0),
        unequal=unequal,
        beyond=beyond,
    )


def tolerance_for(
    outputs: Iterable[NDArray[Any]], inputs: Iterable[NDArray[Any]] = ()
) -> Tolerance:
    """Return how far a device's outputs may be from these, which were computed plainly.

    A float16 input was rounded where it crossed the cut, and the whole model went on without.

    Kernels add in other orders, so an element's error grows with the terms of its sum and not
    with the sum: near zero it is that of the tensor's large elements (measured: up to 1.2e-6 of
    the largest, where whole networks are optimised).
    """
    floats = [array for array in outputs if np.issubdtype(array.dtype, np.floating)]
    is_rounded = any(array.dtype == np.float16 for array in (*floats, *inputs))
    least = HALF if is_rounded else Tolerance()
    largest = [np.abs(array[np.isfinite(array)]).max(initial=1.0) for array in floats]
    absolute = least.absolute * float(max(largest, default=1.0))
    return Tolerance(absolute=float(f"{absolute:.1e}"), relative=least.relative)


def _piece(a: NDArray[Any], b: NDArray[Any], tolerance: Tolerance) -> Difference:
    bits = f"u{a.dtype.itemsize}"
    if a.tobytes() == b.tobytes():
        return Difference(bit_equal=True, within=True, max_abs_diff=0.0)
    unequal = int(np.count_nonzero(a.view(bits) != b.view(bits)))
    apart = _apart(a, b)
    beyond = int(np.count_nonzero(apart > _allowed(b, tolerance)))
    return Difference(
        bit_equal=False,
        within=not beyond,
        max_abs_diff=float(apart.max(initial=0.0)),
        unequal=unequal,
        beyond=beyond,
    )


def _apart(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Return the distances: 0 for the same, infinite where only one is a number."""
    same = a == b
    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.abs(x - y)
    apart[np.isnan(apart)] = np.inf
    apart[same | (np.isnan(x) & np.isnan(y))] = 0.0
    if a.dtype.kind != "f":  # large integers that differ may be one number as floats
        apart[~same] = np.maximum(apart[~same], 1.0)
    return apart


def _allowed(expected: NDArray[Any], tolerance: Tolerance) -> NDArray[np.float64]:
    if expected.dtype.kind != "f":
        quanta = tolerance.quanta if isinstance(tolerance, Allowance) else 0
        return np.full(expected.shape, quanta if expected.dtype in QUANTISED else 0.0)
    size = np.abs(expected.astype(np.float64))
    return tolerance.absolute + tolerance.relative * np.where(np.isfinite(size), size, 0.0)
