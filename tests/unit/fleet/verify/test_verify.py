"""Verifying a split against the whole model, and without it."""

import json
import shutil

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fleet import digests
from fleet.errors import BadExampleError, BadRequestError, DamagedSplitError, OutputsDifferError
from fleet.formats import CutRequest
from fleet.split import split
from fleet.verify import verify


@pytest.fixture
def cut(saved, tmp_path):
    """Split a model by its kind; returns the model's path and the folder."""

    def made(kind, **request):
        path = saved(kind)
        split(path, tmp_path / "out", CutRequest(**request))
        return path, tmp_path / "out"

    return made


def test_a_split_gives_what_the_model_gives(cut):
    """Bit by bit without optimisations, and near enough with them."""
    _, folder = cut("early_and_late", at=("a",))
    report = verify(folder)

    assert report.bit_equal
    assert report.within_tolerance
    assert report.compared_with == "model"
    assert report.first_difference is None
    assert report.notes == ()


def test_other_inputs_than_the_golden_ones_can_be_given(cut):
    """With the model at hand, any input is a test."""
    path, folder = cut("skips", stages=2)
    x = np.random.default_rng(5).random((1, 3, 9, 8), np.float32)

    assert verify(folder, path, {"x": x}).bit_equal
    with pytest.raises(BadExampleError, match="'x' is missing"):
        verify(folder, path, {})


def test_without_the_model_golden_frames_stand_in(cut):
    """And the report says so."""
    path, folder = cut("skips", stages=2)
    path.unlink()
    report = verify(folder)

    assert report.bit_equal
    assert report.compared_with == "golden frames"
    assert "the model was not found" in report.notes[0]
    with pytest.raises(BadRequestError, match="no reference"):
        verify(folder, given={"x": np.zeros((1, 3, 9, 8), np.float32)})


def test_another_model_is_not_compared_with(cut, saved):
    """A model that was changed since is as good as gone; naming it is a mistake."""
    path, folder = cut("skips", stages=2)
    path.write_bytes(saved("chain").read_bytes())

    assert verify(folder).compared_with == "golden frames"
    with pytest.raises(BadRequestError, match=r"skips\.onnx that was cut"):
        verify(folder, path)


def test_half_precision_is_only_near(cut):
    """The runtime computes it in single precision between cuts; the report says so."""
    _, folder = cut("half", stages=2)
    report = verify(folder)

    assert report.within_tolerance
    assert "float16" in report.notes[0]


def forge(folder, name):
    """Change a weight of a segment, and its digests in the manifest, as nobody should."""
    path = folder / "segments" / name / "segment.onnx"
    model = onnx.load(path, load_external_data=False)
    weight = model.graph.initializer[0]
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1.01, weight.name))
    path.write_bytes(model.SerializeToString())
    manifest = json.loads((folder / "pipeline.json").read_text())
    for segment in manifest["segments"]:
        if segment["name"] == name:
            files = digests.files(path.parent)
            segment["files"] = [
                {f: getattr(file, f) for f in file.__struct_fields__} for file in files
            ]
    (folder / "pipeline.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("model", ["at hand", "gone"])
def test_segments_that_give_something_else_are_found_out(cut, model):
    """The error names the first tensor that differs, and holds the report."""
    path, folder = cut("skips", at=("a", "d"))
    forge(folder, "01-body")
    if model == "gone":
        path.unlink()

    with pytest.raises(OutputsDifferError, match="tensor 'd' is not bit-equal") as refused:
        verify(folder)

    assert refused.value.exit_code == 5
    assert refused.value.report.first_difference == "d"
    assert refused.value.report.max_abs_diff > 0


def test_files_are_checked_first(cut):
    """A changed file is named, and nothing is run."""
    _, folder = cut("skips", stages=1)
    with (folder / "segments" / "00-whole" / "weights.bin").open("ab") as file:
        file.write(b"x")

    with pytest.raises(DamagedSplitError, match=r"weights\.bin"):
        verify(folder)


def test_a_split_can_be_moved(cut, tmp_path):
    """Nothing in it depends on where it is."""
    _, folder = cut("skips", stages=2)
    shutil.move(folder, tmp_path / "elsewhere")

    assert verify(tmp_path / "elsewhere").bit_equal
