"""The files of ``paceline run``."""

import json

import numpy as np
import pytest
from PIL import Image

from paceline import run_files
from paceline.run_errors import RunInputError, RunOutputError
from paceline.run_files import Feed
from wire.manifest import Answer, Picture
from wire.messages import Route
from wire.tensors import TensorSpec

PICTURES = {
    "preprocess": Picture(input="x", width=8, height=8),
    "postprocess": Answer(kind="labels", output="y", labels=("cat", "dog"), threshold=0.0),
}


def route(shape=(1, 3, 8, 8), **more):
    """Return the route of a pipeline from ``x`` to ``y``."""
    return Route(
        pipeline="p",
        generation=1,
        epoch=1,
        manifest="0" * 64,
        stages=(),
        receives=(TensorSpec(name="x", dtype=1, shape=shape),),
        outputs=(TensorSpec(name="y", dtype=1, shape=(1, 2)),),
        **more,
    )


@pytest.fixture
def tensors_file(tmp_path):
    """An ``.npz`` that fits the pipeline."""
    path = tmp_path / "x.npz"
    np.savez(path, x=np.ones((1, 3, 8, 8), np.float32))
    return path


@pytest.fixture
def picture_file(tmp_path):
    """A picture of another size."""
    path = tmp_path / "photo.png"
    Image.new("RGB", (20, 10), "white").save(path)
    return path


def test_tensors_are_fed_as_they_are(tensors_file):
    """By name, and without a picture."""
    feed = run_files.read(tensors_file, route())

    assert feed.arrays["x"].shape == (1, 3, 8, 8)
    assert feed.picture is None


def test_a_picture_becomes_what_the_manifest_asks_for(picture_file):
    """And is kept to draw on."""
    feed = run_files.read(picture_file, route(**PICTURES))

    assert feed.arrays["x"].shape == (1, 3, 8, 8)
    assert feed.picture.picture.size == (20, 10)


def test_a_picture_for_a_pipeline_of_tensors_says_what_to_do(picture_file):
    """Nobody guesses how a picture becomes a tensor."""
    with pytest.raises(RunInputError, match=r"takes tensors, no pictures; give an \.npz"):
        run_files.read(picture_file, route())


def test_tensors_of_another_shape_are_refused_before_anything_is_sent(tensors_file):
    """With what the pipeline takes."""
    with pytest.raises(RunInputError, match=r"the pipeline takes x float32\[1,4\]"):
        run_files.read(tensors_file, route((1, 4)))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive", b"\x93NUMPY"])
def test_what_is_no_npz_is_refused(tmp_path, content):
    """Also one that only begins like one."""
    path = tmp_path / "x.npz"
    path.write_bytes(content)

    with pytest.raises(RunInputError, match=r"no \.npz"):
        run_files.read(path, route())


def test_a_single_array_is_no_npz(tmp_path):
    """It has no name: nobody knows which input it is."""
    np.save(tmp_path / "x.npy", np.ones((1, 3, 8, 8), np.float32))
    path = (tmp_path / "x.npy").rename(tmp_path / "x.npz")

    with pytest.raises(RunInputError, match=r"no \.npz"):
        run_files.read(path, route())


def test_pickled_objects_are_refused(tmp_path):
    """Loading them would run their code."""
    path = tmp_path / "x.npz"
    np.savez(path, x=np.array([{}], dtype=object))

    with pytest.raises(RunInputError, match=r"no \.npz"):
        run_files.read(path, route())


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("out.txt", "suffix is not known"),
        ("none/out.npz", "folder does not exist"),
        ("out.png", "does not say how to read"),
        ("out.json", "does not say how to read"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_the_run(tmp_path, tensors_file, name, problem):
    """A minute of frames is not thrown away for a name."""
    feed = run_files.read(tensors_file, route())

    with pytest.raises(RunOutputError, match=problem):
        run_files.check_output(tmp_path / name, route(), feed)


def test_tensors_alone_cannot_be_drawn_on(tmp_path, tensors_file):
    """Even where the pipeline takes pictures."""
    feed = run_files.read(tensors_file, route(**PICTURES))

    with pytest.raises(RunOutputError, match="only a picture can be drawn on"):
        run_files.check_output(tmp_path / "out.png", route(**PICTURES), feed)


@pytest.mark.parametrize("name", ["y", "file", "a/b:0", "args"])
def test_tensors_of_any_name_come_back_from_an_npz(tmp_path, name):
    """Names of tensors are others' choice."""
    path = tmp_path / "out.npz"
    run_files.write(path, {name: np.arange(4.0).reshape(2, 2)}, None, Feed({}))

    with np.load(path) as found:
        assert found[name].tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert [p.name for p in tmp_path.iterdir()] == ["out.npz"]


def test_what_the_outputs_say_is_written_as_json_and_drawn(tmp_path, picture_file):
    """The same answer, for a program and for a person."""
    way = route(**PICTURES)
    feed = run_files.read(picture_file, way)
    outputs = {"y": np.array([[0.25, 0.75]], np.float32)}
    said = run_files.found(outputs, way, feed)
    for name in ("out.json", "out.png"):
        run_files.check_output(tmp_path / name, way, feed)
        run_files.write(tmp_path / name, outputs, said, feed)

    assert json.loads((tmp_path / "out.json").read_text())[0]["name"] == "dog"
    with Image.open(tmp_path / "out.png") as drawn:
        assert drawn.size[0] >= 20


def test_without_a_block_nothing_is_read_into_the_outputs(tensors_file):
    """Tensors are tensors."""
    feed = run_files.read(tensors_file, route())

    assert run_files.found({"y": np.zeros((1, 2))}, route(), feed) is None
