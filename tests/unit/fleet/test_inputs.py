"""Inputs for the reference run: made from a seed, or the user's example."""

import zipfile

import numpy as np
import pytest

from fleet import inputs
from fleet.errors import BadExampleError, BadRequestError
from fleet.formats import CutRequest
from wire.tensors import TensorSpec

PICTURE = TensorSpec(name="x", dtype=1, shape=("N", 3, "H", "W"))
FLAG = TensorSpec(name="flag", dtype=9, shape=())


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (("N", 3, "H", "W"), (1, 3, 224, 224)),
        (("N", "", "", ""), (1, 3, 224, 224)),
        (("N", "H", "W", 3), (1, 224, 224, 3)),
        (("N", 3, 48, "W"), (1, 3, 48, 224)),
        (("batch", "sequence"), (1, 16)),
        (("batch", 7, ""), (1, 7, 16)),
        ((2, 3), (2, 3)),
        ((), ()),
    ],
)
def test_sizes_are_guessed_as_people_would(shape, expected):
    """Batch 1, pictures of 224, 16 for anything else; numbers stay."""
    sample = inputs.made([TensorSpec(name="x", dtype=1, shape=shape)], {}, seed=0)

    assert sample.sizes == {"x": expected}


def test_sizes_are_taken_by_name_or_by_place():
    """What the user gives is used, and only the rest is called a guess."""
    specs = [PICTURE, TensorSpec(name="z", dtype=1, shape=("", "W"))]

    sample = inputs.made(specs, {"H": 64, "W": 32, "z[0]": 5}, seed=0)

    assert sample.sizes == {"x": (1, 3, 64, 32), "z": (5, 32)}
    assert sample.named == {"N": 1, "H": 64, "W": 32}
    assert sample.guessed == {"N": 1}


def test_open_dimensions_are_guessed_by_place():
    """A dimension without a name is called by where it is, as `--dim` takes it."""
    sample = inputs.made([TensorSpec(name="x", dtype=1, shape=("", 3))], {}, seed=0)

    assert sample.guessed == {"x[0]": 1}


@pytest.mark.parametrize("dims", [{"Q": 3}, {"H": 0}, {"x[1]": 3}, {"x[9]": 3}])
def test_sizes_for_nothing_are_refused(dims):
    """An unknown dimension, a static one, or no size is the user's mistake."""
    with pytest.raises(BadRequestError, match="--dim"):
        inputs.made([PICTURE], dims, seed=0)


def test_the_same_seed_gives_the_same_values():
    """Golden frames are the same each time a model is split."""
    first, again, other = (inputs.made([PICTURE], {}, seed).arrays["x"] for seed in (1, 1, 2))

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("dtype", [1, 2, 3, 6, 7, 9, 10, 11, 13])
def test_values_suit_their_type(dtype):
    """Floats lie in [0, 1), integers may be indices, and each array has the type asked for."""
    array = inputs.made([TensorSpec(name="x", dtype=dtype, shape=(100,))], {}, 0).arrays["x"]

    assert array.min() >= 0
    assert array.max() <= (255 if dtype == 2 else 1)
    assert len(np.unique(array)) > 1


def write(tmp_path, **arrays):
    """Write an example."""
    np.savez(tmp_path / "x.npz", **arrays)
    return tmp_path / "x.npz"


def test_an_example_is_used_as_it_is(tmp_path):
    """Arrays, scalars among them, and the sizes of named dimensions are the example's."""
    x = np.ones((2, 3, 5, 7), np.float32)

    sample = inputs.example([PICTURE, FLAG], write(tmp_path, x=x, flag=np.array(True)))

    np.testing.assert_array_equal(sample.arrays["x"], x)
    assert sample.arrays["flag"].shape == ()
    assert sample.named == {"N": 2, "H": 5, "W": 7}
    assert not sample.guessed
    assert not sample.made_up


def test_what_is_requested_is_an_example_or_sizes(tmp_path):
    """Not both: the example has its own sizes."""
    path = write(tmp_path, x=np.ones((2, 3, 5, 7), np.float32))

    assert not inputs.requested([PICTURE], CutRequest(example=path)).made_up
    assert inputs.requested([PICTURE], CutRequest(dims={"H": 5})).sizes["x"][2] == 5
    with pytest.raises(BadRequestError, match="--input"):
        inputs.requested([PICTURE], CutRequest(example=path, dims={"H": 5}))


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({}, "'x' is missing"),
        ({"x": np.ones((1, 3, 4, 4), np.float32), "q": np.ones(1)}, r"no inputs \['q'\]"),
        ({"x": np.ones((1, 3, 4, 4))}, "float64"),
        ({"x": np.ones((1, 4, 4, 4), np.float32)}, "expected float32"),
        ({"x": np.array(["a"])}, "may not travel"),
    ],
)
def test_an_example_that_does_not_fit_is_refused(tmp_path, arrays, problem):
    """Missing, unknown, of another type or shape: the message says which."""
    with pytest.raises(BadExampleError, match=problem):
        inputs.example([PICTURE], write(tmp_path, **arrays))


@pytest.mark.parametrize("content", [b"junk", b"", b"PK\x03\x04broken", None])
def test_a_file_that_is_no_example_is_refused(tmp_path, content):
    """No archive, a broken one, or no file at all."""
    path = tmp_path / "x.npz"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(BadExampleError, match=r"x\.npz"):
        inputs.example([PICTURE], path)


def test_an_example_with_objects_is_refused(tmp_path):
    """Pickled objects would be code; they are never loaded."""
    with pytest.raises(BadExampleError, match=r"plain arrays"):
        inputs.example([PICTURE], write(tmp_path, x=np.array([{}], object)))


def test_a_plain_array_is_no_example(tmp_path):
    """A `.npy` in disguise has no names."""
    with (tmp_path / "x.npz").open("wb") as file:
        np.save(file, np.ones(3))

    with pytest.raises(BadExampleError, match="without a name"):
        inputs.example([PICTURE], tmp_path / "x.npz")


def test_a_damaged_archive_is_refused(tmp_path):
    """Compressed data may be broken in its middle."""
    np.savez_compressed(tmp_path / "x.npz", x=np.arange(9999, dtype=np.float32))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 99] = b"\xff" * 99
    (tmp_path / "x.npz").write_bytes(data)

    with pytest.raises(BadExampleError, match=r"x\.npz: is no \.npz file"):
        inputs.example([PICTURE], tmp_path / "x.npz")


def test_a_file_among_the_arrays_is_refused(tmp_path):
    """An archive may hold anything, under the name of an input too."""
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x", "no array")

    with pytest.raises(BadExampleError, match=r"holds \['x'\], which are no arrays"):
        inputs.example([PICTURE], tmp_path / "x.npz")


def test_a_folder_gives_its_examples_in_order(tmp_path):
    """Sorted by name; other files are left alone."""
    for name in ("b.npz", "a.NPZ", "c.npy", "readme.txt"):
        (tmp_path / name).touch()

    assert [path.name for path in inputs.folder(tmp_path)] == ["a.NPZ", "b.npz"]


@pytest.mark.parametrize(("name", "problem"), [(".", "holds no .npz file"), ("x", "is no folder")])
def test_a_folder_without_examples_is_refused(tmp_path, name, problem):
    """Nothing to do is a mistake, and not a success."""
    with pytest.raises(BadExampleError, match=problem):
        inputs.folder(tmp_path / name)


def test_values_of_another_size_are_drawn_from_known_ones():
    """The same for the same seed: what the model takes, and no sample twice."""
    known = {"x": np.float32([[0.25, 0.5, 7]]), "ids": np.array([[3, 9]]), "none": np.zeros((0, 2))}
    shapes = {"x": (4, 5), "ids": (4, 2), "none": (4, 2)}

    first, again, other = (inputs.drawn(known, shapes, seed) for seed in (1, 1, 2))

    assert {name: array.shape for name, array in first.items()} == shapes
    assert {name: array.dtype for name, array in first.items()} == {
        name: array.dtype for name, array in known.items()
    }
    assert set(first["x"].flat) <= {0.25, 0.5, 7}
    assert set(first["ids"].flat) <= {3, 9}
    assert not np.array_equal(first["x"][0], first["x"][1])
    np.testing.assert_array_equal(first["x"], again["x"])
    assert not np.array_equal(first["x"], other["x"])
