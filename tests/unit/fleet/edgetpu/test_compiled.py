"""A compiled file is put beside its twin only if it is of the same segment."""

import pytest

from fleet.edgetpu import compiled
from fleet.edgetpu.errors import NotTheTwinError
from tests.fixtures.int8_tflite import compiled_like, dense_chain
from wire.model.errors import ModelMalformedError


@pytest.fixture
def made(tmp_path):
    """Return what writes a compiled file."""

    def write(data):
        path = tmp_path / "segment_edgetpu.tflite"
        path.write_bytes(data)
        return path

    return write


def test_a_compiled_file_of_the_segment_is_taken(twin, made):
    """Byte by byte."""
    data = compiled_like(dense_chain())

    assert compiled.take(made(data), twin)
    assert (twin / "segment_edgetpu.tflite").read_bytes() == data


def test_a_file_in_which_nothing_was_mapped_is_left_out(twin, made):
    """The twin does the same."""
    assert not compiled.take(made(dense_chain()), twin)
    assert not (twin / "segment_edgetpu.tflite").exists()


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        (compiled_like(dense_chain(size=32)), r"its input is 'x' int8\[1, 32\]"),
        (compiled_like(dense_chain(layers=2)), "its output is 'dense_1'"),
        (compiled_like(dense_chain(), rename="y"), "its input is 'y'"),
    ],
)
def test_a_file_of_another_segment_is_refused(twin, made, other, problem):
    """By name, type, sizes and quantisation of its inputs and outputs."""
    with pytest.raises(NotTheTwinError, match=problem):
        compiled.take(made(other), twin)

    assert not (twin / "segment_edgetpu.tflite").exists()


def test_a_link_is_no_file_of_its_own(twin, made, tmp_path):
    """What it leads to may be anything."""
    link = tmp_path / "link.tflite"
    link.symlink_to(made(compiled_like(dense_chain())))

    with pytest.raises(NotTheTwinError, match="no regular file"):
        compiled.take(link, twin)


def test_a_file_that_is_no_model_is_refused(twin, made):
    """An empty one, say."""
    with pytest.raises(ModelMalformedError):
        compiled.take(made(b""), twin)
