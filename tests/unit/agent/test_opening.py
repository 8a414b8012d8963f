"""Files of a segment are checked before any runtime sees them."""

import os

import pytest

from agent.opening import checked_model, checked_segment
from agent.runtimes.onnx_cpu import _PROOF
from wire.model.errors import ModelError


@pytest.fixture
def segment(tmp_path):
    """A segment's folder with a valid model that needs no weights."""
    folder = tmp_path / "segment"
    folder.mkdir()
    (folder / "segment.onnx").write_bytes(_PROOF)
    (folder / "weights.bin").write_bytes(b"")
    return folder


def test_ordinary_files_are_accepted(segment):
    """A folder as the store keeps it, and a model's file, are opened."""
    assert checked_segment(segment) == segment
    assert checked_model(segment) == segment
    assert checked_model(segment / "segment.onnx") == segment / "segment.onnx"


@pytest.mark.parametrize("name", ["segment.onnx", "weights.bin"])
@pytest.mark.parametrize("trick", ["symlink", "hard link", "pipe", "folder", "missing"])
def test_anything_but_an_ordinary_file_is_refused(segment, tmp_path, name, trick):
    """Links of either kind, pipes, folders and missing files are refused by their path."""
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
