import os
import stat

import pytest

from wire.model import external_data
from wire.model.errors import ExternalDataError
from wire.model.external_data import Policy, Reference


def refer(location="weights.bin", policy=Policy.SEGMENT, weights_bytes=64, size_bytes=16, **more):
    """Ask for a tensor of 16 bytes in a file of 64."""
    entries = [("location", location), *((key, str(value)) for key, value in more.items())]
    return external_data.reference(
        "m.onnx", "tensor 'w'", entries,
        size_bytes=size_bytes, policy=policy, weights_bytes=weights_bytes,
    )  # fmt: skip


def test_offset_and_length_may_be_absent():
    """The format's defaults are the file's beginning and what the shape needs."""
    assert refer() == Reference("weights.bin", 0, 16, "tensor 'w'")


def test_the_last_byte_of_the_file_may_be_used():
    """A range that ends where the file ends is in range; one byte more is not."""
    assert refer(offset=48, length=16, checksum="abc").offset_bytes == 48
    with pytest.raises(ExternalDataError, match="bytes 49 to 65 are outside"):
        refer(offset=49, length=16)


@pytest.mark.parametrize("value", ["-1", "+1", " 1", "1_0", "0x10", "1e3", "", "٣", "1" * 20])
@pytest.mark.parametrize("key", ["offset", "length"])
def test_only_plain_integers_are_numbers(key, value):
    """What Python or a runtime may read as another number is refused."""
    with pytest.raises(ExternalDataError, match=f"external {key} .* is not a non-negative integer"):
        refer(**{key: value})


def test_a_length_that_is_not_the_tensors_is_refused():
    """Length must be what shape and type need."""
    with pytest.raises(ExternalDataError, match=r"length is 17 bytes \(shape and type need 16\)"):
        refer(length=17)


@pytest.mark.parametrize("entries", [[("basepath", "/")], [("location", "x")], [("offset", "0")]])
def test_unknown_and_repeated_keys_are_refused(entries):
    """Runtimes differ in which of two values they take and in what keys they know."""
    given = [("location", "weights.bin"), ("offset", "0"), *entries]

    with pytest.raises(ExternalDataError, match="unknown or stands twice"):
        external_data.reference(
            "m.onnx", "w", given, size_bytes=16, policy=Policy.SEGMENT, weights_bytes=64
        )


@pytest.mark.parametrize(
    "location",
    ["", "./weights.bin", "weights.bin ", "Weights.bin", "a/weights.bin", "weights.bin\0"],
)
def test_a_segment_refers_to_its_weights_alone(location):
    """Nothing but the exact name is taken."""
    with pytest.raises(ExternalDataError, match=r"is not 'weights\.bin'"):
        refer(location)


@pytest.mark.parametrize(
    "location", ["model.onnx.data", "sub/w.bin", "./w", "a..b", "conv:0.weight"]
)
def test_a_model_from_outside_may_name_its_files(location):
    """Exporters name these files as they like, inside the model's folder."""
    assert refer(location, Policy.SOURCE, None, offset=1 << 40).location == location


@pytest.mark.parametrize(
    "location",
    [
        "", "..", "../w", "a/../w", "a/..", "/etc/passwd", "C:w", "c:\\w", "..\\w", "w\0", "w\n",
        "*/_ORT_MEM_ADDR_/*", "x" * 1025,
    ],
)  # fmt: skip
def test_a_model_from_outside_stays_in_its_folder(location):
    """Ways out of the folder, into memory or into another system's paths are refused."""
    with pytest.raises(ExternalDataError, match="external location"):
        refer(location, Policy.SOURCE, None)


def status(mode=stat.S_IFREG | 0o600, links=1, size=64):
    """Return what fstat says of an ordinary file, but for what is given."""
    return os.stat_result((mode, 1, 1, links, 0, 0, size, 0, 0, 0))


def test_an_ordinary_file_is_taken():
    """A regular file with one name that is long enough passes."""
    external_data.check_file("m.onnx", "w", status(), needed_bytes=64)
    external_data.check_file("m.onnx", "w", status(links=2), needed_bytes=64, one_link=False)


@pytest.mark.parametrize(
    ("info", "problem"),
    [
        (status(mode=stat.S_IFLNK | 0o777), "not a regular file"),
        (status(mode=stat.S_IFDIR | 0o700), "not a regular file"),
        (status(mode=stat.S_IFIFO | 0o600), "not a regular file"),
        (status(links=2), r"2 hard links \(expected 1\)"),
        (status(size=63), r"has 63 bytes \(its tensors need 64\)"),
    ],
)
def test_other_files_are_refused(info, problem):
    """Links, folders, pipes and files that are too short are named for what they are."""
    with pytest.raises(ExternalDataError, match=problem):
        external_data.check_file("m.onnx", "w", info, needed_bytes=64)
