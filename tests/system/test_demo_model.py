"""The demo's real model reads the demo's pages."""

import numpy as np
import onnxruntime as ort
import pytest

from paceline.demo import model
from paceline.demo.errors import ModelUnavailableError
from paceline.demo.page import draw_page
from paceline.pictures import postprocess, preprocess


@pytest.fixture(scope="module")
def detector():
    """The whole model in plain onnxruntime."""
    try:
        path = model.fetch()
    except ModelUnavailableError as error:
        pytest.skip(str(error))
    return ort.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def boxes(detector):
    """What it finds on the first page."""
    prepared = preprocess.prepare(draw_page(0), model.PREPROCESS)
    (heat,) = detector.run([model.POSTPROCESS.output], {model.PREPROCESS.input: prepared.array})
    outputs = {model.POSTPROCESS.output: heat}
    return postprocess.read(outputs, model.POSTPROCESS, prepared.geometry)


def covering(boxes, x, y):
    """Return the boxes over a point."""
    return [
        box
        for box in boxes
        if box.corners[0][0] <= x <= box.corners[2][0]
        and box.corners[0][1] <= y <= box.corners[2][1]
    ]


def test_the_blocks_fit_the_model(detector):
    """Input, output and dynamic dimensions have the names that the demo gives sizes and values."""
    (given,), (made,) = detector.get_inputs(), detector.get_outputs()

    assert (given.name, made.name) == (model.PREPROCESS.input, model.POSTPROCESS.output)
    assert {size for size in given.shape if isinstance(size, str)} == set(model.DIMS)


def test_many_lines_are_found_and_surely(boxes):
    """Headings, paragraph, sign and table: about forty lines."""
    assert len(boxes) >= 35
    assert np.mean([box.score for box in boxes]) > 0.8


@pytest.mark.parametrize(
    ("x", "y"),
    [(170, 62), (508, 62), (180, 142), (200, 175), (488, 208), (488, 296), (140, 386), (156, 571)],
    ids=["masthead", "courier", "headline", "paragraph", "sign", "time", "invoice", "stamp"],
)
def test_a_line_that_is_there_has_one_box(boxes, x, y):
    """The box lies where the page has its text."""
    assert len(covering(boxes, x, y)) == 1


@pytest.mark.parametrize(("x", "y"), [(10, 10), (320, 360), (230, 330), (630, 630)])
def test_empty_paper_has_none(boxes, x, y):
    """Desk, margins, gaps."""
    assert covering(boxes, x, y) == []


def test_the_stamp_has_a_turned_box(boxes):
    """Not every line is level."""
    (stamp,) = covering(boxes, 156, 571)
    (left, top), (right, also_top) = stamp.corners[:2]

    assert np.degrees(np.arctan2(top - also_top, right - left)) == pytest.approx(11, abs=4)
