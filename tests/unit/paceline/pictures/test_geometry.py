"""Where a picture lies in the model's input, and the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.pictures.geometry import Geometry, fitted

SIDES = st.integers(1, 5000)
SIZES = st.tuples(SIDES, SIDES)
FITS = st.sampled_from(["letterbox", "stretch"])


@given(SIZES, SIZES, FITS, st.floats(-1, 2), st.floats(-1, 2))
def test_a_point_comes_back_to_where_it_was(picture, model, fit, across, down):
    """From the picture to the model and back, also for points outside."""
    point = np.array((across * picture[0], down * picture[1]))
    place = fitted(picture, model, fit)

    back = place.to_picture(place.to_model(point))

    np.testing.assert_allclose(back, point, rtol=1e-9, atol=1e-6)


@given(SIZES, SIZES, FITS)
def test_the_picture_lies_inside_the_models_input_and_fills_one_side(picture, model, fit):
    """Never larger, never empty; padding is even to one pixel."""
    place = fitted(picture, model, fit)
    right = place.model_width - place.left - place.width
    below = place.model_height - place.top - place.height

    assert min(place.width, place.height) >= 1
    assert right - place.left in {0, 1}
    assert below - place.top in {0, 1}
    assert place.width == place.model_width or place.height == place.model_height


@given(SIZES, SIZES, FITS)
def test_corners_of_the_picture_are_corners_of_its_place(picture, model, fit):
    """Edges are coordinates: the far corner is (width, height), not one less."""
    place = fitted(picture, model, fit)

    far = place.to_model(np.array(picture, dtype=float))

    np.testing.assert_allclose(far, (place.left + place.width, place.top + place.height))


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ((640, 480), Geometry(640, 480, 320, 320, 0, 40, 320, 240)),
        ((100, 400), Geometry(100, 400, 320, 320, 120, 0, 80, 320)),
        ((320, 320), Geometry(320, 320, 320, 320, 0, 0, 320, 320)),
        ((5000, 1), Geometry(5000, 1, 320, 320, 0, 159, 320, 1)),
    ],
)
def test_letterbox_keeps_the_aspect(picture, expected):
    """The longer side fills the input; the other is centred."""
    assert fitted(picture, (320, 320), "letterbox") == expected


def test_stretch_fills_both_sides():
    """No padding, whatever the aspect."""
    assert fitted((640, 480), (320, 320), "stretch") == Geometry(640, 480, 320, 320, 0, 0, 320, 320)


def test_points_outside_the_picture_move_to_its_edge():
    """A box that grew over the edge ends there."""
    place = fitted((640, 480), (320, 320), "letterbox")

    inside = place.inside(np.array(((-3.0, 20.0), (700.0, 481.0))))

    assert inside.tolist() == [[0.0, 20.0], [640.0, 480.0]]
