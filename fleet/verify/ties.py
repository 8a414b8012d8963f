"""Whether indices differ only because the entries they name are as good as each other.

With optimisations on, numbers differ in their last bits. Where two scores are nearly the same
that is enough for an ArgMax to choose the other one, and for TopK or NonMaxSuppression to change
an order. It is a tie when the scores of the two entries, as the whole model computes them, are
within the tolerance of each other; what cannot be shown to be one is a difference.

Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wire.manifest import Tolerance

Arrays = Mapping[str, NDArray[Any]]
Places = NDArray[np.intp]

ROWS: Final = "NonMaxSuppression"
"""Its indices are rows [batch, class, box]; those of the others stand along one axis."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operator between the indices and an output: it moves elements and changes none."""

    kind: Literal["shape", "transpose", "gather"]
    output: str
    axes: tuple[int, ...] = ()
    """A transpose's permutation, or a gather's axis."""
    chosen: str = ""
    """The tensor that says what a gather takes."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How an output's indices were chosen."""

    output: str
    operator: str
    """``ArgMax``, ``ArgMin``, ``TopK`` or ``NonMaxSuppression``."""
    indices: str
    """The tensor that the operator writes."""
    scores: str
    """The tensor that it chooses by."""
    axis: int = -1
    steps: tuple[Step, ...] = ()

    @property
    def tensors(self) -> tuple[str, ...]:
        """What has to be known to decide."""
        between = [name for step in self.steps for name in (step.output, step.chosen) if name]
        return tuple(dict.fromkeys([self.indices, self.scores, *between]))


class Verdict(NamedTuple):
    """What was found of one output."""

    tied: NDArray[np.bool_]
    """Which elements differ by a tie."""
    largest_gap: float
    """Between the scores of tied entries."""
    largest_other_gap: float
    """Between those of entries that differ and are no tie; 0 where there are none."""
    evidence: str


def decide(
    choice: Choice, got: NDArray[Any], expected: NDArray[Any], values: Arrays, tolerance: Tolerance
) -> Verdict | None:
    """Return which elements of an output that differ are ties; None where nothing shows it.

    Args:
        choice: How the output was chosen.
        got: The output, of the same shape and type as ``expected``.
        expected: What it should be.
        values: ``choice.tensors`` as the whole model computes them.
        tolerance: How far scores may be apart.
    """
    places = _places(choice, values)
    if places is None or places.shape != expected.shape:
        return None
    indices, scores = values[choice.indices], values[choice.scores]
    filled = [_filled(indices, places, output) for output in (got, expected)]
    if filled[0] is None or filled[1] is None:
        return None
    at = places[got != expected]
    if choice.operator == ROWS:
        gaps = _rows(filled[0], filled[1], scores, at)
    else:
        gaps = _entries(filled[0], filled[1], scores, at, choice.axis)
    if gaps is None:
        return None
    apart, beside = gaps
    near = apart <= tolerance.absolute + tolerance.relative * np.abs(beside)
    tied = np.zeros(expected.shape, np.bool_)
    tied[got != expected] = near
    largest = float(apart[near].max(initial=0.0))
    return Verdict(
        tied=tied,
        largest_gap=largest,
        largest_other_gap=float(apart[~near].max(initial=0.0)),
        evidence=f"the scores that {choice.operator} chose by are at most {largest:.2g} apart",
    )


def _places(choice: Choice, values: Arrays) -> Places | None:
    """Return for each element of the output where in the operator's indices it comes from."""
    indices = values[choice.indices]
    places = np.arange(indices.size).reshape(indices.shape)
    for step in choice.steps:
        if step.kind == "gather":
            places = np.take(places, values[step.chosen], axis=step.axes[0])
        elif step.kind == "transpose":
            places = np.transpose(places, step.axes or None)
        if places.size != values[step.output].size:
            return None
        places = places.reshape(values[step.output].shape)
    return places


def _filled(
    indices: NDArray[Any], places: Places, output: NDArray[Any]
) -> NDArray[np.int64] | None:
    """Return the operator's indices as an output has them; None where it holds no integers.

    What the output leaves out stays as the whole model has it.
    """
    with np.errstate(invalid="ignore"):
        whole = output.astype(np.int64)
    if not np.array_equal(whole, output):
        return None
    filled = indices.astype(np.int64)
    filled.reshape(-1)[places] = whole
    return filled


def _entries(
    got: NDArray[np.int64],
    expected: NDArray[np.int64],
    scores: NDArray[Any],
    at: Places,
    axis: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return how far apart the scores at ``at`` are, and what they should be."""
    if not -scores.ndim <= axis < scores.ndim:
        return None
    axis %= scores.ndim
    shape = list(scores.shape)
    others = int(np.prod(shape[:axis] + shape[axis + 1 :], dtype=np.int64))
    if not others or got.size % others:
        return None
    shape[axis] = got.size // others
    lines = np.moveaxis(got.reshape(shape), axis, -1)
    if (np.diff(np.sort(lines, axis=-1), axis=-1) == 0).any():
        return None  # one entry twice is no choice
    place = list(np.unravel_index(at, shape))
    found = []
    for indices in (got, expected):
        place[axis] = indices.reshape(-1)[at]
        found.append(_scores(scores, place))
    return _gaps(*found)


def _rows(
    got: NDArray[np.int64],
    expected: NDArray[np.int64],
    scores: NDArray[Any],
    at: Places,
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the same for rows [batch, class, box]; ``at`` points at elements of rows."""
    if scores.ndim != 3 or got.ndim != 2 or got.shape[1] != 3:
        return None
    if len(np.unique(got, axis=0)) != len(got):
        return None
    return _gaps(*(_scores(scores, list(rows[at // 3].T)) for rows in (got, expected)))


def _scores(scores: NDArray[Any], place: list[NDArray[Any]]) -> NDArray[np.float64]:
    """Return the scores at a place for each axis; NaN where there are none."""
    inside = np.ones(place[0].shape, np.bool_)
    for indices, size in zip(place, scores.shape, strict=True):
        inside &= (indices >= 0) & (indices < size)
    found = np.full(inside.shape, np.nan)
    found[inside] = scores[tuple(indices[inside] for indices in place)]
    return found


def _gaps(
    got: NDArray[np.float64], expected: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    with np.errstate(invalid="ignore"):
        apart = np.where(got == expected, 0.0, np.abs(got - expected))
    apart[np.isnan(apart)] = np.inf
    return apart, np.where(np.isfinite(expected), expected, 0.0)
