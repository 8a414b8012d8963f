"""Boxes of text lines from probability maps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.pictures import text_boxes
from paceline.pictures.errors import AnswerError
from paceline.pictures.geometry import fitted
from paceline.pictures.rectangles import Rectangle
from paceline.pictures.text_boxes import TextBox
from wire.manifest import Answer

HOW = Answer(kind="text_boxes", output="map", threshold=0.3, box_threshold=0.5, unclip=1.5)
WHOLE = fitted((64, 48), (64, 48), "stretch")


def blank(height=48, width=64):
    """Return a map without text."""
    return np.zeros((1, 1, height, width), np.float32)


def with_kernel(left, top, right, bottom, probability=0.9):
    """Return a map with one upright kernel."""
    heat = blank()
    heat[0, 0, top:bottom, left:right] = probability
    return heat


@given(
    left=st.integers(8, 20),
    top=st.integers(8, 20),
    width=st.integers(5, 30),
    height=st.integers(3, 12),
)
@settings(deadline=None)
def test_a_kernel_becomes_a_box_that_grew_by_area_over_perimeter(left, top, width, height):
    """Every side moves by area * unclip / perimeter, within the picture."""
    heat = with_kernel(left, top, left + width, top + height)

    (box,) = text_boxes.find(heat, HOW, WHOLE)

    grown = width * height * 1.5 / (2 * (width + height))
    x0, y0 = max(0, left - grown), max(0, top - grown)
    x1, y1 = min(64, left + width + grown), min(48, top + height + grown)
    np.testing.assert_allclose(box.corners, ((x0, y0), (x1, y0), (x1, y1), (x0, y1)), atol=0.006)
    assert box.score == pytest.approx(0.9, abs=1e-4)


@pytest.mark.parametrize("shape", [(1, 1, 48, 64), (1, 48, 64), (48, 64)])
def test_axes_of_size_one_do_not_matter(shape):
    """Networks differ in what they keep around the map."""
    heat = with_kernel(10, 10, 40, 20)

    assert text_boxes.find(heat.reshape(shape), HOW, WHOLE) == text_boxes.find(heat, HOW, WHOLE)


@pytest.mark.parametrize(("picture", "fit"), [((320, 480), "letterbox"), ((640, 240), "stretch")])
def test_boxes_are_in_the_pictures_coordinates(picture, fit):
    """A kernel drawn where a thing of the picture lies is found at that thing."""
    place = fitted(picture, (64, 48), fit)
    wanted = np.array(((0.25, 0.25), (0.75, 0.5))) * picture
    (left, top), (right, bottom) = place.to_model(wanted).round().astype(int)
    how = Answer(kind="text_boxes", output="map", unclip=0.0)

    (box,) = text_boxes.find(with_kernel(left, top, right, bottom), how, place)

    pixel = max(place.picture_width / place.width, place.picture_height / place.height)
    np.testing.assert_allclose((box.corners[0], box.corners[2]), wanted, atol=pixel)


def test_a_map_smaller_than_the_input_covers_it_whole():
    """Some detectors answer at a quarter of the size."""
    heat = blank(12, 16)
    heat[0, 0, 3:9, 4:12] = 0.9
    how = Answer(kind="text_boxes", output="map", unclip=0.0)

    (box,) = text_boxes.find(heat, how, WHOLE)

    assert (box.corners[0], box.corners[2]) == ((16.0, 12.0), (48.0, 36.0))


@pytest.mark.parametrize("degrees", [-25, 15, 40])
def test_a_turned_line_gets_a_turned_box(degrees):
    """The box follows the line, within a pixel or two of the raster."""
    along = np.array((np.cos(np.radians(degrees)), np.sin(np.radians(degrees))))
    line = Rectangle(np.array((64.0, 64.0)), along, 60.0, 12.0)
    y, x = np.mgrid[:128, :128] + 0.5
    heat = line.contains(np.stack((x, y), axis=-1)).astype(np.float32)
    how = Answer(kind="text_boxes", output="map", unclip=0.0)

    (box,) = text_boxes.find(heat, how, fitted((128, 128), (128, 128), "stretch"))

    np.testing.assert_allclose(box.corners, line.corners(), atol=2.0)


@pytest.mark.parametrize(
    "heat",
    [
        blank(),
        with_kernel(10, 10, 40, 20, probability=0.4),  # above the threshold, not probable enough
        with_kernel(10, 10, 40, 12),  # two pixels high: noise
    ],
)
def test_what_is_no_text_gives_no_box(heat):
    """Nothing there, not sure enough, too small."""
    assert text_boxes.find(heat, HOW, WHOLE) == ()


def test_nothing_is_found_in_the_padding():
    """A letterbox's bars are no part of the picture."""
    place = fitted((64, 16), (64, 48), "letterbox")

    assert text_boxes.find(with_kernel(10, 2, 40, 12), HOW, place) == ()
    assert len(text_boxes.find(with_kernel(10, 20, 40, 26), HOW, place)) == 1


@pytest.mark.parametrize("heat", [np.ones((2, 1, 4, 4)), np.ones((1, 3, 4, 4)), np.ones(4)])
def test_what_is_no_map_is_refused(heat):
    """Several pictures or several channels are not mixed up silently."""
    with pytest.raises(AnswerError, match="'map' is no probability map"):
        text_boxes.find(heat, HOW, WHOLE)


def test_not_a_number_is_refused():
    """A failed inference must not look like a page without text."""
    heat = with_kernel(10, 10, 40, 20)
    heat[0, 0, 0, 0] = np.nan

    with pytest.raises(AnswerError, match="holds NaN"):
        text_boxes.find(heat, HOW, WHOLE)


def test_noise_gives_a_bounded_number_of_boxes():
    """The largest components are kept: the rest cannot take the time of a run."""
    heat = np.zeros((400, 400), np.float32)
    for row in range(0, 400, 8):
        for column in range(0, 400, 8):
            heat[row : row + 4, column : column + 4] = 0.9
    heat[:20, :200] = 0.9
    size = fitted((400, 400), (400, 400), "stretch")

    boxes = text_boxes.find(heat, HOW, size)

    assert len(boxes) == text_boxes.MAX_BOXES
    assert boxes[0].corners[2][0] >= 200


def test_boxes_come_in_reading_order():
    """Line by line from the top, each line from the left, though it is not quite level."""

    def box(name, left, top):
        corners = ((left, top), (left + 9, top), (left + 9, top + 10), (left, top + 10))
        return TextBox(corners=corners, score=name)

    mixed = [box(4, 30.0, 31.0), box(1, 5.0, 3.0), box(3, 5.0, 30.0), box(2, 40.0, 0.0)]

    assert [one.score for one in text_boxes.in_reading_order(mixed)] == [1, 2, 3, 4]
