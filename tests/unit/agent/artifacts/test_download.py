import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.artifacts.download import Download, OversizeError
from wire.manifest import File


def _file_of(data):
    return File(name="weights.bin", sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


def unstopped():
    """Let the download go on."""


@pytest.fixture
def descriptor(tmp_path):
    """Return an empty file of the store, open."""
    opened = os.open(tmp_path / "partial", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


@given(data=st.binary(max_size=200), cut=st.integers(0, 200), step=st.integers(1, 50))
def test_resumed_download_has_the_digest_of_the_whole(tmp_path_factory, data, cut, step):
    """Wherever it was interrupted, what is on disk and what comes after make one file."""
    path = tmp_path_factory.getbasetemp() / "resumed"
    path.write_bytes(data[:cut])
    descriptor = os.open(path, os.O_RDWR)
    download = Download(_file_of(data), descriptor)

    download.resume(unstopped)
    for start in range(download.done_bytes, len(data), step):
        download.write(data[start : start + step])
    os.close(descriptor)

    assert (download.remaining_bytes, download.sha256) == (0, download.file.sha256)
    assert path.read_bytes() == data


def test_never_a_byte_more_than_the_size_is_written(descriptor):
    """A server that does not end cannot fill the disk."""
    download = Download(_file_of(b"abc"), descriptor)
    download.write(b"ab")

    with pytest.raises(OversizeError):
        download.write(b"cd")

    assert os.fstat(descriptor).st_size == 2


def test_file_that_is_too_long_is_discarded(descriptor):
    """What cannot be a beginning of the file is not resumed."""
    os.write(descriptor, b"abcd")
    download = Download(_file_of(b"abc"), descriptor)

    download.resume(unstopped)

    assert (download.done_bytes, os.fstat(descriptor).st_size) == (0, 0)


def test_discarded_download_begins_again(descriptor):
    """Neither bytes nor digest of the first try remain."""
    download = Download(_file_of(b"abc"), descriptor)
    download.write(b"xyz")
    download.discard()
    download.write(b"abc")

    assert download.sha256 == download.file.sha256
    assert os.pread(descriptor, 10, 0) == b"abc"


def test_resume_can_be_given_up(descriptor):
    """Hashing a gigabyte again ends when it is no longer wanted."""

    def give_up():
        raise InterruptedError

    os.write(descriptor, b"ab")

    with pytest.raises(InterruptedError):
        Download(_file_of(b"abc"), descriptor).resume(give_up)
