"""TFLite models with real weights, where scripts/fetch-zoo brought them."""

import os

import pytest

from fleet.formats import CutRequest
from fleet.split import split
from fleet.tflite.errors import NotCuttableError
from fleet.verify import VerifyRequest, verify
from paceline.cache import cache_folder

pytestmark = pytest.mark.usefixtures("in_process")

FOLDER = cache_folder(os.environ) / "zoo"


def model(name):
    """Return a model of the zoo; the test is skipped where it is not."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"{name} is not there (scripts/fetch-zoo brings it)")
    return path


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("face_landmark.tflite", 1),  # two outputs
        ("openwakeword_embedding.tflite", 2),  # any number of frames
        ("openwakeword_embedding_int8.tflite", 2),  # constants behind the flatbuffer
        ("face_detection_short_range.tflite", 1),  # float16 weights, unpacked when it runs
    ],
)
def test_segments_are_bit_equal(name, sizes, tmp_path):
    """With LiteRT's own kernels, and here with XNNPACK's as well."""
    path = model(name)
    split(path, tmp_path / "out", CutRequest(stages=3, balance="flops"))

    found = verify(tmp_path / "out", path, VerifyRequest(sizes=sizes))

    assert found.bit_equal
    assert found.within_tolerance
    assert len(found.cases) == sizes


def test_the_one_that_keeps_state_is_refused(tmp_path):
    """By the operators that keep it."""
    with pytest.raises(NotCuttableError, match=r"keeps state between frames, by .*VAR_HANDLE"):
        split(model("hey_jarvis.tflite"), tmp_path / "out", CutRequest(stages=2))
