"""The reader of flatbuffers sees what flatbuffers wrote, and nothing outside the file."""

import contextlib
import struct

import flatbuffers
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.tflite.errors import FlatbufferError
from wire.tflite.flatbuffer import File, Span

KINDS = "biq48st"


def written():
    """Return a table with a field of each kind, as flatbuffers writes it."""
    builder = flatbuffers.Builder(0)
    text = builder.CreateString("text")
    fours = builder.CreateNumpyVector(np.array([1, -2, 3], np.int32))
    eights = builder.CreateNumpyVector(np.array([1 << 40], np.int64))
    builder.StartObject(1)
    builder.PrependInt32Slot(0, 9, 0)
    inner = builder.EndObject()
    builder.StartObject(len(KINDS))
    builder.PrependInt8Slot(0, -1, 0)
    builder.PrependInt32Slot(1, 70_000, 0)
    builder.PrependInt64Slot(2, -(1 << 40), 0)
    builder.PrependUOffsetTRelativeSlot(3, fours, 0)
    builder.PrependUOffsetTRelativeSlot(4, eights, 0)
    builder.PrependUOffsetTRelativeSlot(5, text, 0)
    builder.PrependUOffsetTRelativeSlot(6, inner, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def opened(data, kinds=KINDS, max_parts=100):
    """Open the table that a file begins with."""
    return File(memoryview(data), max_parts=max_parts).root(kinds)


def test_values_of_every_kind():
    """Numbers, vectors, strings and tables are what was written; absent ones have a default."""
    table = opened(written())

    assert [table.number(field) for field in range(3)] == [-1, 70_000, -(1 << 40)]
    assert table.numbers(3, "i") == (1, -2, 3)
    assert table.numbers(4, "q") == (1 << 40,)
    assert table.text(5) == "text"
    assert table.table(6, "i").number(0) == 9
    assert opened(written(), KINDS + "is").number(7, 5) == 5
    assert opened(written(), KINDS + "is").text(8) == ""


def test_a_field_that_is_not_known_is_refused():
    """Another reader might know it, and see another model."""
    with pytest.raises(FlatbufferError, match="field 6 is unknown"):
        opened(written(), KINDS[:-1])


def test_how_many_parts_are_visited_is_bounded():
    """The number of fields, and of numbers in vectors, counts."""
    with pytest.raises(FlatbufferError, match="more parts"):
        opened(written(), max_parts=5)
    with pytest.raises(FlatbufferError, match="more parts"):
        opened(written(), max_parts=9).numbers(3, "i")


def test_a_file_that_is_cut_off():
    """Whatever is missing, nothing is read from where it would have been."""
    data = written().rstrip(b"\0")

    for size in range(len(data) + 1):  # without the zero that ends its last string
        with pytest.raises(FlatbufferError):
            everything(opened(data[:size]))


def everything(table):
    """Read all there is in a table."""
    table.numbers(3, "i"), table.numbers(4, "q"), table.text(5)
    inner = table.table(6, "i")
    return inner and inner.number(0)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(-(1 << 31), (1 << 31) - 1)), max_size=4))
def test_any_change_is_read_or_refused(changes):
    """Whatever stands in a file, reading it ends in values or in the reader's own error."""
    data = bytearray(written())
    for at, value in changes:
        struct.pack_into("<i", data, min(at, len(data) - 4), value)

    with contextlib.suppress(FlatbufferError):
        everything(opened(bytes(data)))


@pytest.mark.parametrize("text", [b"a\0b\0", b"\xff\xff\xff\0"])
def test_strings_are_plain_text(text):
    """A zero ends a name for C but not for us, and names are UTF-8: both would differ."""
    file = File(memoryview(text), max_parts=9)

    with pytest.raises(FlatbufferError, match=r"zero in it|UTF-8"):
        file.text(Span(0, 3))
