"""A sink's folder: one file a frame, whole or not at all, nothing overwritten."""

import io
import json
import subprocess

import numpy as np
import pytest
from PIL import Image

from paceline.pictures import preprocess
from paceline.pictures.labels import Label, Meaning
from paceline.run_files import Feed
from paceline.sink_errors import SinkError, SinkFullError
from paceline.sinks import Entry, Failure, Record, SinkOptions, open_sink
from wire.manifest import Picture


def options(format_, *, draws=True):
    """Return what the sink is told."""
    out = io.StringIO()
    return SinkOptions(format_, qos=0, root="paceline", session=None, stdout=out, draws=draws)


def result(number=0):
    """Return a result on a picture."""
    how = Picture(input="x", width=32, height=32)
    prepared = preprocess.prepare(Image.new("RGB", (200, 100), "white"), how, name="a")
    found = (Label(index=0, name="cat", score=0.9, meaning=Meaning.SCORE),)
    record = Record(frame=number, source="a.png", found=found)
    return Entry(record, {"y/0": np.arange(3)}, Feed({"x": prepared.array}, prepared))


def failed(number=0):
    """Return a frame without a result."""
    failure = Failure(code="worker.lost", message="gone", device="pi1")
    return Entry(Record(frame=number, source="a.png", error=failure))


def write_many(sink):
    """Write more than the disk takes."""
    for number in range(100):
        sink.write(result(number))


@pytest.mark.parametrize("format_", ["json", "npz", "jpg", "png", "webp"])
def test_files_are_named_by_number_and_errors_are_json(format_, tmp_path):
    """Whatever the results are kept as; no other file is left."""
    sink = open_sink(str(tmp_path / "out"), options(format_))
    sink.write(result(7))
    sink.write(failed(123456789))

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"00000007.{format_}",
        "123456789.json",
    ]
    said = json.loads((tmp_path / "out" / "123456789.json").read_text())
    assert said["error"] == {"code": "worker.lost", "message": "gone", "device": "pi1"}


def test_results_as_json_as_tensors_and_as_pictures(tmp_path):
    """What was found, the outputs themselves, and the picture that was looked at, drawn on."""
    for format_ in ("json", "npz", "png"):
        open_sink(str(tmp_path / format_), options(format_)).write(result())

    said = json.loads((tmp_path / "json" / "00000000.json").read_text())
    assert [each["name"] for each in said["found"]] == ["cat"]
    with np.load(tmp_path / "npz" / "00000000.npz") as archive:
        assert archive["y/0"].tolist() == [0, 1, 2]
    with Image.open(tmp_path / "png" / "00000000.png") as picture:
        assert picture.size == (200, 100)
        assert len(picture.getcolors(1 << 20)) > 1


def test_a_folder_that_holds_anything_is_refused(tmp_path):
    """Answers of an earlier run are not overwritten."""
    (tmp_path / "00000000.json").touch()

    with pytest.raises(SinkError, match="is not empty"):
        open_sink(str(tmp_path), options("json"))


def test_a_picture_needs_something_to_draw_and_to_draw_on(tmp_path):
    """Else no file pretends to be one."""
    sink = open_sink(str(tmp_path / "out"), options("jpg"))
    record = Record(frame=0, source="a.npz", outputs={})

    with pytest.raises(SinkError, match="nothing to draw"):
        sink.write(Entry(record, {"y": np.zeros(1)}, Feed({"x": np.zeros(1)})))
    assert list((tmp_path / "out").iterdir()) == []


def test_pictures_of_what_cannot_be_drawn_are_refused_before_anything_is_made(tmp_path):
    """Neither is a frame sent then, nor is there a folder."""
    with pytest.raises(SinkError, match="does not say how to read its outputs"):
        open_sink(str(tmp_path / "out"), options("jpg", draws=False))
    assert not (tmp_path / "out").exists()
    open_sink(str(tmp_path / "out"), options("npz", draws=False))


@pytest.mark.parametrize("name", ["film.mp4", "answers.json", "a.JPG"])
def test_who_names_a_file_is_told_that_answers_go_into_a_folder(name, tmp_path):
    """No folder is made that is called like a film."""
    with pytest.raises(SinkError, match="go into a folder, a file for each frame"):
        open_sink(str(tmp_path / name), options("json"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["none/out", "file"])
def test_a_folder_that_cannot_be_made(where, tmp_path):
    """A parent that is missing, or a file in its place."""
    (tmp_path / "file").touch()

    with pytest.raises(SinkError, match="cannot be made or read"):
        open_sink(str(tmp_path / where), options("json"))


@pytest.mark.parametrize("format_", ["json", "npz", "png"])
def test_a_full_disk_is_named_and_leaves_no_half_file(format_, tmp_path):
    """A real one, of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        sink = open_sink(str(disk / "out"), options(format_))
        (disk / "filler").write_bytes(bytes(60 << 10))
        with pytest.raises(SinkFullError, match="make room"):
            write_many(sink)
        left = list((disk / "out").iterdir())
        assert all(path.stat().st_size for path in left)
        assert not any(path.name.startswith(".") for path in left)
    finally:
        subprocess.run(["umount", disk], check=True)
