"""Connected components of a mask, without a Python loop over pixels or rows.

The mask becomes runs (stretches of set pixels in one row). Two runs belong together when they lie
in neighbouring rows and touch, corners included. Which do is found by two binary searches over all
runs at once; a union-find in arrays joins them: each round hooks the larger of two touching roots
below the smaller and flattens, until nothing touches across roots.

Source: the hooking and pointer jumping of Y. Shiloach, U. Vishkin, "An O(log n) parallel
connectivity algorithm" (1982), on runs instead of vertices.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Components:
    """The runs of a mask, in the order of rows, each with its component."""

    rows: Ints
    """``[R]``: the row of each run."""
    starts: Ints
    """``[R]``: its first column."""
    ends: Ints
    """``[R]``: the column after its last."""
    labels: Ints
    """``[R]``: 0 to ``count - 1``, numbered by first appearance in reading order."""
    count: int

    def sizes(self) -> Ints:
        """Return ``[count]``: the pixels of each component."""
        lengths = (self.ends - self.starts).astype(np.float64)  # exact below 2**53
        return np.bincount(self.labels, lengths, self.count).astype(np.int64)

    def bounds(self) -> Ints:
        """Return ``[count, 4]``: left, top, right, bottom; right and bottom lie outside."""
        most = np.iinfo(np.int64).max
        bounds = np.empty((self.count, 4), np.int64)
        bounds[:, :2], bounds[:, 2:] = most, 0
        np.minimum.at(bounds[:, 0], self.labels, self.starts)
        np.minimum.at(bounds[:, 1], self.labels, self.rows)
        np.maximum.at(bounds[:, 2], self.labels, self.ends)
        np.maximum.at(bounds[:, 3], self.labels, self.rows + 1)
        return bounds

    def runs_by_label(self) -> list[Ints]:
        """Return the indices of each component's runs, in the order of rows."""
        order = np.argsort(self.labels, kind="stable")
        cuts = np.cumsum(np.bincount(self.labels, minlength=self.count))[:-1]
        return np.split(order, cuts) if self.count else []


def label(mask: NDArray[np.bool_]) -> Components:
    """Return the connected components of ``mask`` (``[H, W]``), with 8 neighbours a pixel."""
    height, width = mask.shape
    stride = width + 1  # one clear column ends every row's last run
    padded = np.zeros((height, stride), np.int8)
    padded[:, :width] = mask
    steps = np.diff(padded.ravel(), prepend=0)
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    upper, lower = _touching(starts, ends, stride)
    roots = _roots(len(starts), upper, lower)
    # a root is the smallest index of its component, so sorted roots are in reading order
    found, labels = np.unique(roots, return_inverse=True)
    rows = starts // stride
    return Components(rows, starts - rows * stride, ends - rows * stride, labels, len(found))


def _touching(starts: Ints, ends: Ints, stride: int) -> tuple[Ints, Ints]:
    """Return pairs of runs that touch: indices of the upper and of the lower one.

    One row below lies ``stride`` further, so the runs that a run touches are neighbours in order.
    """
    first = np.searchsorted(ends, starts + stride, side="left")
    after = np.searchsorted(starts, ends + stride, side="right")
    counts = after - first
    upper = np.repeat(np.arange(len(starts)), counts)
    within = np.arange(len(upper)) - np.repeat(np.cumsum(counts) - counts, counts)
    return upper, np.repeat(first, counts) + within


def _roots(count: int, one: Ints, other: Ints) -> NDArray[Any]:
    """Return for each of ``count`` items the smallest item it is connected with."""
    parents = np.arange(count)
    while len(one):
        first, second = parents[one], parents[other]
        apart = first != second
        one, other, first, second = one[apart], other[apart], first[apart], second[apart]
        np.minimum.at(parents, np.maximum(first, second), np.minimum(first, second))
        while not np.array_equal(parents, grand := parents[parents]):
            parents = grand
    return parents
