"""The smallest rectangle around points."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from paceline.pictures import rectangles
from paceline.pictures.rectangles import UPRIGHT_WITHIN, Rectangle

WHOLE = st.integers(-50, 50)
POINTS = st.lists(st.tuples(WHOLE, WHOLE), min_size=3, max_size=25)


def flat(points):
    """Whether all points lie on one line."""
    return np.linalg.matrix_rank(np.array(points) - points[0]) < 2


def turned(degrees, width=40.0, height=10.0, centre=(30.0, 20.0)):
    """Return a rectangle turned clockwise on the screen."""
    angle = np.radians(degrees)
    along = np.array((np.cos(angle), np.sin(angle)))
    return Rectangle(np.array(centre), along, width, height)


@given(POINTS)
def test_every_point_lies_inside(points):
    """And the rectangle is never larger than the upright box by more than rounding."""
    assume(not flat(points))
    points = np.array(points, dtype=float)

    found = rectangles.smallest(points)

    assert found.grown(1e-6).contains(points).all()
    upright = np.prod(points.max(0) - points.min(0))
    assert found.width * found.height <= upright * (1 + 1e-9)


@given(POINTS, st.floats(0, 90))
def test_no_other_angle_gives_a_much_smaller_one(points, degrees):
    """Smallest up to what an upright one is preferred by."""
    assume(not flat(points))
    points = np.array(points, dtype=float)
    angle = np.radians(degrees)
    turn = np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))
    other = np.ptp(points @ turn, axis=0).prod()

    found = rectangles.smallest(points)

    assert found.width * found.height <= other * UPRIGHT_WITHIN * (1 + 1e-9)


@pytest.mark.parametrize("degrees", [-45, -30, -11, 0, 8, 20, 44])
def test_a_turned_rectangle_is_found_again(degrees):
    """From its corners: centre, size and the order of the corners."""
    wanted = turned(degrees)

    found = rectangles.smallest(wanted.corners())

    if abs(degrees) == 45:  # which side is the first is then a matter of rounding
        assert sorted((found.width, found.height)) == pytest.approx([10, 40])
    else:
        np.testing.assert_allclose(found.corners(), wanted.corners(), atol=1e-9)


def test_a_ragged_level_line_stays_upright():
    """One pixel more at an end does not turn the box."""
    points = np.array(((0, 0), (100, 0), (100, 20), (0, 20), (50, 21)), dtype=float)

    assert rectangles.smallest(points).along.tolist() == [1.0, 0.0]


def test_corners_begin_upper_left_and_go_clockwise():
    """As everyone who reads the boxes expects."""
    corners = turned(0).corners()

    assert corners.tolist() == [[10, 15], [50, 15], [50, 25], [10, 25]]


@given(POINTS)
def test_the_hull_is_convex_and_holds_every_point(points):
    """Every turn goes one way, and no point lies outside any side."""
    assume(not flat(points))

    hull = rectangles.convex_hull(np.array(points, dtype=float))

    following = np.roll(hull, -1, axis=0)
    for start, end in zip(hull, following, strict=True):
        side = end - start
        offsets = np.array(points) - start
        assert (side[0] * offsets[:, 1] - side[1] * offsets[:, 0] >= 0).all()
