"""Connected components of a mask."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from paceline.pictures import components

MASKS = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.bool_, shape)
)


def flooded(mask):
    """Return the labels of each pixel by flood fill, pixel by pixel: slow, and plainly right."""
    labels = np.full(mask.shape, -1)
    count = 0
    for start in zip(*np.nonzero(mask), strict=True):
        if labels[start] >= 0:
            continue
        frontier = [start]
        while frontier:
            row, column = frontier.pop()
            if not (0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]):
                continue
            if not mask[row, column] or labels[row, column] >= 0:
                continue
            labels[row, column] = count
            frontier += [(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        count += 1
    return labels


def painted(found, shape):
    """Return the labels of each pixel."""
    labels = np.full(shape, -1)
    for row, start, end, label in zip(
        found.rows, found.starts, found.ends, found.labels, strict=True
    ):
        labels[row, start:end] = label
    return labels


@given(MASKS)
def test_labels_are_those_of_a_flood_fill(mask):
    """The same components, numbered in reading order, corners joined."""
    found = components.label(mask)

    assert painted(found, mask.shape).tolist() == flooded(mask).tolist()


@given(MASKS)
def test_sizes_and_bounds_are_those_of_the_pixels(mask):
    """Each component's pixel count and the smallest box around it."""
    found = components.label(mask)
    labels = flooded(mask)

    expected_bounds, expected_sizes = [], []
    for index in range(labels.max() + 1):
        rows, columns = np.nonzero(labels == index)
        expected_bounds.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        expected_sizes.append(len(rows))
    assert found.bounds().tolist() == expected_bounds
    assert found.sizes().tolist() == expected_sizes


@given(MASKS)
def test_runs_are_handed_out_by_component(mask):
    """Each run once, under its label, in the order of rows."""
    found = components.label(mask)

    groups = found.runs_by_label()

    assert len(groups) == found.count
    assert [set(found.labels[runs].tolist()) for runs in groups] == [
        {i} for i in range(len(groups))
    ]
    assert sorted(np.concatenate([[], *groups]).tolist()) == list(range(len(found.rows)))
    assert all((np.diff(found.rows[runs]) >= 0).all() for runs in groups)


def comb(side):
    """Return teeth that only a last row joins, and separate teeth below it."""
    mask = np.zeros((side, side), bool)
    mask[: side // 2, ::2] = True
    mask[side // 2] = True
    mask[side // 2 + 2 :, ::2] = True
    return mask


@pytest.mark.parametrize(
    "mask", [comb(41), np.ones((40, 40), bool), np.zeros((7, 5), bool), np.eye(50, dtype=bool)]
)
def test_shapes_that_need_many_joins(mask):
    """Teeth joined late, everything, nothing, one diagonal."""
    assert painted(components.label(mask), mask.shape).tolist() == flooded(mask).tolist()


def test_the_end_of_a_row_does_not_touch_the_start_of_the_next():
    """Runs are found in one long line, but rows do not wrap."""
    mask = np.zeros((3, 4), bool)
    mask[0, 3] = mask[1, 0] = mask[2, 0] = True

    assert components.label(mask).count == 2
