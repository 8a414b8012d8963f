import os

import pytest

from agent import durable


def test_write_replaces_the_whole_file_with_private_mode(tmp_path):
    """The new content is there, nobody else can read it, and nothing is left beside it."""
    path = tmp_path / "a"
    path.write_text("a longer old content")
    (tmp_path / "a.new").write_text("left by a crash")

    durable.write(path, b"new")

    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_write_that_fails_leaves_the_old_file(tmp_path):
    """A write that cannot begin has changed nothing."""
    path = tmp_path / "a"
    path.write_text("old")
    (tmp_path / "a.new").mkdir()

    with pytest.raises(OSError, match=r"directory|permitted"):
        durable.write(path, b"new")

    assert path.read_text() == "old"


def test_folder_is_held_by_one_until_it_is_closed(tmp_path):
    """A second agent on the same state is told at once, and the hold ends with its holder."""
    first = durable.hold(tmp_path)
    second = durable.hold(tmp_path)
    os.close(first)
    third = durable.hold(tmp_path)
    os.close(third)

    assert first is not None
    assert second is None
    assert third is not None
