"""How far outputs are from others. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fleet.codec_effects.report import Figures
from fleet.compare import compare
from fleet.metrics.top1 import Top1
from wire.manifest import Tolerance

Arrays = Mapping[str, NDArray[Any]]

_EXACT: Final = Tolerance(absolute=0.0, relative=0.0)
_SCORE_RANKS: Final = (2, 3)
"""``[N, classes]`` and ``[N, T, classes]``; the rows of a map are no scores."""


def figures(got: Arrays, expected: Arrays) -> Figures:
    """Return how far the outputs ``got`` for one input are from those ``expected``.

    Differences are those of floats; where there are none, those of whole numbers.
    """
    floats = [name for name, wanted in expected.items() if wanted.dtype.kind == "f"]
    pairs = [(got[name], expected[name]) for name in floats or expected]
    return Figures(
        max_abs=max((compare(*pair, _EXACT).max_abs_diff for pair in pairs), default=0.0),
        relative_l2=max((relative_l2(*pair) for pair in pairs), default=0.0),
        top1=top1(got, expected),
    )


def merged(found: Sequence[Figures]) -> Figures:
    """Return the largest differences of several inputs, and the mean agreement."""
    shares = [one.top1 for one in found if one.top1 is not None]
    return Figures(
        max_abs=max(one.max_abs for one in found),
        relative_l2=max(one.relative_l2 for one in found),
        top1=float(np.mean(shares)) if shares else None,
    )


def relative_l2(got: NDArray[Any], expected: NDArray[Any]) -> float:
    """Return |got - expected| / |expected|; infinite where only one of two is a number."""
    a, b = got.astype(np.float64), expected.astype(np.float64)
    numbers = np.isfinite(b)
    if a.shape != b.shape or not np.array_equal(a[~numbers], b[~numbers], equal_nan=True):
        return np.inf
    a, b = a[numbers], b[numbers]
    apart, size = float(np.linalg.norm(a - b)), float(np.linalg.norm(b))
    if not np.isfinite(apart):
        return np.inf
    return apart / size if size else (np.inf if apart else 0.0)


def top1(got: Arrays, expected: Arrays) -> float | None:
    """Return the smallest share of rows of scores that agree, and of whole numbers that are equal.

    None: no output has either.
    """
    scores = {
        name: array
        for name, array in expected.items()
        if array.dtype.kind != "f" or (array.ndim in _SCORE_RANKS and array.shape[-1] > 1)
    }
    if not scores:
        return None
    return Top1().compare({name: got[name] for name in scores}, scores, _EXACT).value
