"""Arrays of several frames put together and parted again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.worker import batches


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_what_is_joined_can_be_parted(counts):
    """Every frame has its own rows again, in order."""
    frames = [{"x": np.full((n, 2), i), "y": np.arange(n) + 10 * i} for i, n in enumerate(counts)]
    joined = batches.joined(frames)

    parts = batches.parted(joined, [batches.rows(frame) for frame in frames])

    assert joined["x"].shape == (sum(counts), 2)
    for part, frame in zip(parts, frames, strict=True):
        assert all(np.array_equal(part[name], frame[name]) for name in frame)


def test_outputs_of_another_number_are_not_parted():
    """Nobody knows whose they are."""
    assert batches.parted({"x": np.zeros((3, 2))}, [1, 1]) is None
    assert batches.parted({"x": np.zeros(())}, [1, 1]) is None


@pytest.mark.parametrize(
    ("frames", "ranges"),
    [
        ([], []),
        ([(1, 2)], [(0, 1)]),
        ([(1, 2), (3, 2), (1, 3)], [(0, 2), (2, 3)]),
        ([(1, 2), (1, 3), (1, 2)], [(0, 1), (1, 2), (2, 3)]),
    ],
    ids=str,
)
def test_only_neighbours_alike_run_together(frames, ranges):
    """They differ in rows alone, and order stays."""
    inputs = [{"x": np.zeros(shape, np.float32)} for shape in frames]

    assert list(batches.alike(inputs)) == ranges


def test_element_types_do_not_mix():
    """A batch of two types would change one of them."""
    inputs = [{"x": np.zeros((1, 2), np.float32)}, {"x": np.zeros((1, 2), np.float16)}]

    assert list(batches.alike(inputs)) == [(0, 1), (1, 2)]
