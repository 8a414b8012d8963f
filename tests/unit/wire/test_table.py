"""What was read of a table is used again, and changes nothing but the time."""

import struct
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import frame, table, tensors
from wire.errors import FrameError
from wire.frame import HEAD_BYTES, Frame, Kind, Tensor
from wire.table import Received, Tensors

SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)
DTYPES = st.sampled_from(sorted(tensors.ELEMENT_TYPES))
NAMES = st.text(max_size=6)
ENTRY_BYTES = 18
"""Of a tensor without dimensions whose name has one letter of two bytes."""


@st.composite
def frames(draw):
    """A frame of up to 6 tensors, each raw or coded."""
    made = []
    for name in draw(st.lists(NAMES, unique=True, max_size=6)):
        dtype, shape = draw(DTYPES), draw(SHAPES)
        raw = tensors.size_bytes(dtype, shape)
        size = draw(st.sampled_from([raw, raw // 2, raw + 1]))
        made.append(Tensor(name, dtype, shape, memoryview(bytes(size))))
    return Frame(Kind.DATA, 1, 2, meta={"client": "c"}, tensors=tuple(made))


def joined(sent):
    """The frame as a receiver's memory holds it."""
    return bytearray(b"".join(frame.encode(sent)))


def resealed(data):
    """The same bytes under a right checksum, as far as the head says what it covers."""
    if len(data) < HEAD_BYTES:
        return data
    meta_bytes, table_bytes = struct.unpack_from("<II", data, 36)
    covered = data[: HEAD_BYTES - 4] + data[HEAD_BYTES:][: meta_bytes + table_bytes]
    struct.pack_into("<I", data, HEAD_BYTES - 4, zlib.crc32(covered))
    return data


@dataclass
class Changed:
    """How a frame's bytes are changed on their way."""

    flips: list
    cut: int
    more: bytes
    sealed: bool

    def applied(self, data):
        """Return the bytes as they come."""
        for place, flip in self.flips:
            data[place % len(data)] ^= flip
        data = data[: max(0, len(data) - self.cut)] + self.more
        return resealed(data) if self.sealed else data


CHANGES = st.builds(
    Changed,
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 255)), max_size=3),
    st.sampled_from([0, 0, 0, 1, 7, 64]) | st.integers(0, 300),
    st.sampled_from([b"", b"", b"\0", bytes(64)]),
    st.booleans(),
)


def outcome(data):
    """What comes of bytes: the frame, or the error with all that it says."""
    try:
        return frame.decode(data)
    except FrameError as error:
        return error.problem, error.at_byte


def kept_tables():
    """How many tables are remembered."""
    return table.kept.cache_info().currsize


@settings(deadline=None, max_examples=500)
@given(frames(), CHANGES)
def test_a_changed_frame_is_judged_as_if_its_like_had_never_come(sent, changed):
    """Flipped, cut or longer bytes, also under a right checksum, give the same frame or error."""
    good = joined(sent)
    data = changed.applied(bytearray(good))
    table.kept.cache_clear()
    cold = outcome(data)
    assert frame.decode(good) == sent

    warm = outcome(data)

    assert cold == warm


@settings(deadline=None)
@given(frames())
def test_every_place_of_a_table_is_compared(sent):
    """Under a right checksum, no single changed byte of a table passes for the table before it."""
    good = joined(sent)
    head = frame.decode_head(good)
    before = frame.decode(good)
    for at in range(HEAD_BYTES + head.meta_bytes, head.table_end):
        data = bytearray(good)
        data[at] ^= 1

        after = outcome(resealed(data))

        assert after != before


@settings(deadline=None)
@given(frames(), st.integers(1, 3))
def test_a_kept_table_is_not_taken_for_another_number_of_tensors(sent, more):
    """The head says how many; the same bytes for another number are refused as they ever were."""
    data = joined(sent)
    before = outcome(data)
    struct.pack_into("<H", data, 14, len(sent.tensors) + more)

    after = outcome(resealed(data))

    assert before == sent
    assert after[0] == "the table ends early"


@settings(deadline=None)
@given(st.lists(frames(), min_size=2, max_size=5))
def test_frames_of_several_tables_come_in_turn(sent):
    """Who sends what does not matter: each frame has the tensors of its own table."""
    data = [joined(one) for one in sent]

    for _ in range(2):
        assert sent == [frame.decode(one) for one in data]


def test_threads_share_what_is_kept():
    """Readers of many lanes read more tables than are kept, at once, and each gets its own."""
    sent = [
        Frame(Kind.DATA, 1, n, tensors=(Tensor(f"t{n}", 2, (n,), memoryview(bytes(n))),))
        for n in range(2 * table.KEPT_TABLES)
    ]
    data = [joined(one) for one in sent]

    with ThreadPoolExecutor(8) as pool:
        turns = [[(n * step + step) % len(data) for n in range(600)] for step in range(1, 17, 2)]
        read = list(pool.map(lambda turn: [frame.decode(data[n]) for n in turn], turns))

    assert [[sent[n] for n in turn] for turn in turns] == read
    assert kept_tables() <= table.KEPT_TABLES


def test_what_is_kept_is_bounded_in_tables_and_in_bytes():
    """The tables with the most tensors that are still kept, all different: 8 MB, not more."""
    count = table.KEPT_TABLE_BYTES // ENTRY_BYTES

    def hostile(number):
        names = [chr(0x400 + n).encode() for n in range(count)]
        head = struct.pack("<BBHIQ", 2, 0, 2, 0, 1000 + number)
        return b"".join(head + name for name in names)

    table.kept.cache_clear()
    tracemalloc.start()
    try:
        for number in range(3 * table.KEPT_TABLES):
            table.kept(hostile(number), count)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept_tables() == table.KEPT_TABLES
    assert held < 8 << 20


def test_a_large_table_is_not_kept():
    """A table beyond the limit is read anew, and is right each time."""
    name = "x" * table.KEPT_TABLE_BYTES
    data = joined(Frame(Kind.DATA, 1, 1, tensors=(Tensor(name, 2, (3,), memoryview(b"abc")),)))
    table.kept.cache_clear()

    for _ in range(2):
        assert frame.decode(data).tensors[0].name == name
    assert kept_tables() == 0


@settings(deadline=None)
@given(frames())
def test_a_frame_is_passed_on_as_it_came(sent):
    """What was received, what knows its table, and what must be described are the same bytes."""
    data = joined(sent)
    received = frame.decode(data)
    plain = msgspec.structs.replace(received, tensors=tuple(received.tensors))

    assert data == joined(received) == joined(plain)


@settings(deadline=None)
@given(frames())
def test_received_tensors_are_what_a_tuple_of_them_is(sent):
    """Length, order, places and comparison are those of the tuple that was sent."""
    data = joined(sent)
    received = frame.decode(data).tensors

    assert list(sent.tensors) == list(received) == [received[n] for n in range(len(received))]
    assert len(received) == len(sent.tensors)
    assert received == sent.tensors
    assert received != (*sent.tensors, None)
    assert received != list(sent.tensors)
    with pytest.raises(IndexError):
        received[len(sent.tensors)]


def test_equal_received_tensors_have_one_hash():
    """So have the tuple and the received ones, where the memory cannot change."""
    sent = (Tensor("x", 2, (3,), memoryview(b"abc")),)
    received = frame.decode(bytes(joined(Frame(Kind.DATA, 1, 1, tensors=sent)))).tensors

    assert isinstance(received, Received)
    assert hash(sent) == hash(received)


def test_without_tensors_there_is_an_empty_table():
    """A frame that only says something still has tensors, none."""
    received = frame.decode(joined(Frame(Kind.CREDIT, 1, 1)))

    assert received.tensors == ()
    assert isinstance(received.tensors, Tensors)


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        ((Tensor("x", 2, (), memoryview(b"1")),) * 2, "two tensors have one name"),
        ((Tensor("\ud800", 2, (), memoryview(b"1")),), "cannot be described"),
        (
            tuple(Tensor(str(n), 2, (), memoryview(b"1")) for n in range(table.MAX_TENSORS + 1)),
            "too many",
        ),
        (
            tuple(Tensor(f"{n:32000}", 2, (), memoryview(b"1")) for n in range(3)),
            "too many",
        ),
    ],
    ids=["one name", "no text", "tensors", "bytes"],
)
def test_a_table_that_no_receiver_takes_is_not_written(made, problem):
    """Refused where it is made, by what is wrong with it."""
    with pytest.raises(FrameError, match=problem):
        frame.encode(Frame(Kind.DATA, 1, 1, tensors=made))
