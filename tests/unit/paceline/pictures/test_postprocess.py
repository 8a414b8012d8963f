"""The postprocess block chooses what is read from which output."""

import numpy as np
import pytest

from paceline.pictures import postprocess
from paceline.pictures.errors import AnswerError
from paceline.pictures.geometry import fitted
from wire.manifest import Answer

PLACE = fitted((32, 32), (32, 32), "stretch")


def test_labels_are_read_from_the_named_output():
    """Other outputs do not matter."""
    outputs = {"x": np.zeros(9), "y": np.array([0.1, 0.9])}

    found = postprocess.read(outputs, Answer(kind="labels", output="y"), PLACE)

    assert [one.index for one in found] == [1]


def test_text_boxes_are_read_from_the_named_output():
    """With the geometry that preprocess gave."""
    heat = np.zeros((1, 1, 32, 32), np.float32)
    heat[..., 8:16, 8:24] = 0.9

    found = postprocess.read({"map": heat}, Answer(kind="text_boxes", output="map"), PLACE)

    assert [one.score for one in found] == [0.9]


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        (Answer(kind="labels", output="z"), r"output: there is no output 'z' \(got \['y'\]\)"),
        (Answer(kind="masks", output="y"), r"kind: unknown \(got 'masks', expected 'labels'"),
    ],
)
def test_a_block_that_does_not_fit_is_refused(how, problem):
    """The error names the field of the manifest."""
    with pytest.raises(AnswerError, match=problem):
        postprocess.read({"y": np.ones(2)}, how, PLACE)
