"""Bytes are made smaller, and what comes from outside takes no more memory than it may."""

import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.compression import compressed, decompressed
from wire.errors import FrameError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@given(st.binary(max_size=5000))
def test_bytes_come_back(data):
    """Nothing and a little, too."""
    assert decompressed(compressed(data), len(data)) == data


def refused(data, max_bytes, match):
    """Check that the data is refused, and cost less than 1 MB."""
    tracemalloc.start()
    with pytest.raises(FrameError, match=match):
        decompressed(data, max_bytes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_bomb_is_not_unpacked():
    """4 KB that would be 32 MB: what the table says is all that is taken."""
    refused(compressed(bytes(32 << 20)), 1000, "of 33554432 bytes")


def test_a_bomb_that_lies_is_stopped():
    """Its head says 1000 bytes, its blocks have 32 MB."""
    bomb = compressed(bytes(32 << 20))
    small = compressed(bytes(range(250)) * 4)
    descriptor, size = bomb[4], 4
    assert descriptor >> 6 == 2, "the size has four bytes"
    at = 5 if descriptor & 0x20 else 6
    refused(bomb[:at] + (1000).to_bytes(size, "little") + bomb[at + size :], 1000, "compressed")
    assert decompressed(small, 1000) == bytes(range(250)) * 4


def test_a_frame_without_its_size_is_refused():
    """Nobody can say how large it becomes."""
    options = {zstd.CompressionParameter.content_size_flag: 0}
    data = zstd.compress(bytes(100), options={int(key): value for key, value in options.items()})

    refused(data, 100, "does not tell")


def test_a_large_window_is_refused():
    """A head may ask for far more memory than its content has."""
    options = {
        int(zstd.CompressionParameter.window_log): 27,
        int(zstd.CompressionParameter.content_size_flag): 1,
    }
    packer = zstd.ZstdCompressor(options=options)
    packer.set_pledged_input_size(1 << 28)
    head = packer.compress(bytes(1 << 20), zstd.ZstdCompressor.FLUSH_BLOCK)[:6]

    refused(head + (1000).to_bytes(4, "little") + bytes(20), 1000, "damaged")


@pytest.mark.parametrize("wrong", ["cut", "longer", "twice", "nothing", "other"])
def test_anything_but_one_whole_frame_is_refused(wrong):
    """Cut short, with something behind it, or no frame of zstd."""
    good = compressed(b"abc" * 50)
    data = {"cut": good[:-1], "longer": good + b"\0", "twice": good * 2, "nothing": b""}

    refused(data.get(wrong, b"PK\3\4" + bytes(40)), 1000, "compressed data")
