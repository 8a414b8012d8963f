"""Files of a segment are checked before any runtime sees them."""

import os

import pytest
from onnx import helper

from agent.opening import checked_model, checked_segment
from tests.fixtures.tflite_builder import chain
from wire.model.errors import ModelError

FILES = {
    "segment": ("segment.onnx", "weights.bin"),
    "tflite": ("segment.tflite", "segment_edgetpu.tflite"),
}
"""By fixture."""


@pytest.fixture
def segment(tmp_path):
    """A segment's folder with a valid model that needs no weights."""
    folder = tmp_path / "segment"
    folder.mkdir()
    x, y = (helper.make_tensor_value_info(name, 1, [4]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "segment.onnx").write_bytes(made.SerializeToString())
    (folder / "weights.bin").write_bytes(b"")
    return folder


@pytest.fixture
def tflite(tmp_path):
    """A TFLite segment's folder, with the twin that was compiled for an Edge TPU."""
    folder = tmp_path / "segment"
    folder.mkdir()
    for name in ("segment.tflite", "segment_edgetpu.tflite"):
        (folder / name).write_bytes(chain().data())
    return folder


def test_ordinary_files_are_accepted(segment):
    """A folder as the store keeps it, and a model's file, are opened."""
    assert checked_segment(segment) == segment
    assert checked_model(segment) == segment
    assert checked_model(segment / "segment.onnx") == segment / "segment.onnx"


def test_a_tflite_segment_is_accepted(tflite):
    """Whole with its compiled twin, without it, and as the file alone."""
    assert checked_segment(tflite) == tflite
    assert checked_model(tflite / "segment.tflite") == tflite / "segment.tflite"
    (tflite / "segment_edgetpu.tflite").unlink()
    assert checked_model(tflite) == tflite


def test_both_files_of_a_tflite_segment_are_scanned(tflite):
    """What is compiled is looked at like what is not; it never stands alone."""
    (tflite / "segment_edgetpu.tflite").write_bytes(b"x" * 100)
    with pytest.raises(ModelError, match=r"segment_edgetpu\.tflite: it is not marked as TFLite"):
        checked_segment(tflite)

    (tflite / "segment.tflite").unlink()
    with pytest.raises(ModelError, match=r"segment\.tflite': cannot be opened"):
        checked_segment(tflite)


def test_a_segment_has_one_format(segment):
    """A folder with models of two formats is refused, for a runtime would choose."""
    (segment / "segment.tflite").symlink_to("nowhere")

    with pytest.raises(ModelError, match=r"holds segment\.onnx and segment\.tflite"):
        checked_segment(segment)


@pytest.mark.parametrize(
    ("kind", "name", "trick"),
    [
        (kind, name, trick)
        for kind, names in FILES.items()
        for name in names
        for trick in ("symlink", "hard link", "pipe", "folder", "missing")
        if (name, trick) != ("segment_edgetpu.tflite", "missing")
    ],
)
def test_anything_but_an_ordinary_file_is_refused(request, tmp_path, kind, name, trick):
    """Links of either kind, pipes, folders and missing files are refused by their path."""
    segment = request.getfixturevalue(kind)
    file, elsewhere = segment / name, tmp_path / "elsewhere"
    file.rename(elsewhere)
    match trick:
        case "symlink":
            file.symlink_to(elsewhere)
        case "hard link":
            file.hardlink_to(elsewhere)
        case "pipe":
            os.mkfifo(file)
        case "folder":
            file.mkdir()

    with pytest.raises(ModelError, match=name):
        checked_segment(segment)


def test_a_segment_behind_a_link_is_refused(segment, tmp_path):
    """The folder itself may not be a symbolic link either."""
    link = tmp_path / "link"
    link.symlink_to(segment)

    with pytest.raises(ModelError, match="symbolic link"):
        checked_segment(link)


def test_a_users_model_may_be_a_link(segment, tmp_path):
    """Caches of models are full of links; the file that the user names is opened."""
    link = tmp_path / "model.onnx"
    link.symlink_to(segment / "segment.onnx")

    assert checked_model(link) == link


def test_a_model_that_is_not_there_is_named(tmp_path):
    """A missing file is our error, with its path."""
    with pytest.raises(ModelError, match=r"none\.onnx"):
        checked_model(tmp_path / "none.onnx")
