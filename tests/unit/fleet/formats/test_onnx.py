"""Cutting ONNX models: segments one after the other are the whole model, bit by bit."""

import numpy as np
import pytest
from onnx import helper

from fleet.errors import NoCutError
from fleet.formats import CutRequest


def assert_same(have, expected):
    """Each expected tensor is there, bit by bit."""
    for name, array in expected.items():
        assert have[name].dtype == array.dtype, name
        assert have[name].shape == array.shape, name
        assert have[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize("stages", range(1, 8))
def test_any_number_of_segments_gives_the_whole_models_outputs(
    saved, kind, stages, write_segments, run_whole, run_chain
):
    """For each kind of model and each count that it can be cut into."""
    path = saved(kind)
    feeds, expected = run_whole(path)
    try:
        plan, folder = write_segments(path, CutRequest(stages=stages))
    except NoCutError as error:
        assert error.largest < stages  # noqa: PT017 the count itself is the parameter
        return

    assert len(plan.segments) == stages
    assert_same(run_chain(folder, feeds), expected)
