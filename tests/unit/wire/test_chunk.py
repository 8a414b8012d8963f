"""Frames in pieces: whole again, or dropped and counted, in bounded memory."""

import math
import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import chunk, frame
from wire.chunk import (
    SMALLEST_CHUNK_BYTES,
    UNFINISHED_SECONDS,
    UNKNOWN_LIMIT_BYTES,
    Reassembler,
)
from wire.errors import FrameError, ReassemblyError
from wire.frame import Frame, Kind, Tensor

PLENTY = 1 << 20


def joined(buffers):
    """One packet as the broker delivers it."""
    return b"".join(memoryview(buffer).cast("B") for buffer in buffers)


def encoded(size_bytes=5000, stream=1, sequence=1, **numbers):
    """An encoded frame with a payload of ``size_bytes``, different for every frame."""
    payload = random.Random(f"{stream} {sequence} {numbers}").randbytes(size_bytes)
    tensor = Tensor("x", 2, (size_bytes,), memoryview(payload))
    return frame.encode(
        Frame(Kind.DATA, stream, sequence, tensors=(tensor,), meta={"client": "c"}, **numbers)
    )


def packets(limit_bytes=1024, **about):
    """The packets of such a frame, as delivered."""
    return [joined(packet) for packet in chunk.split(encoded(**about), limit_bytes)]


def reassembler(max_bytes=PLENTY, **limits):
    """A reassembler with room enough where nothing else is said."""
    limits = {"max_frame_bytes": PLENTY} | limits
    return Reassembler(bytearray, max_bytes=max_bytes, **limits)


def fed(receiver, pieces):
    """Feed all ``pieces``; returns the whole frames, and how many pieces were refused."""
    whole, refused = [], 0
    for piece in pieces:
        try:
            memory = receiver.add(piece)
        except ReassemblyError:
            refused += 1
        else:
            whole += [] if memory is None else [memory]
    return whole, refused


def forged(meta, payload=b"x" * 8, kind=Kind.CHUNK, stream=1, sequence=1, table=b""):
    """One chunk with any meta."""
    front = frame.encode_front(Frame(kind, stream, sequence, meta=meta), table, len(payload))
    return front + payload


@pytest.mark.parametrize(
    ("configured", "announced", "expected"),
    [
        (None, None, UNKNOWN_LIMIT_BYTES),
        (0, 0, UNKNOWN_LIMIT_BYTES),
        (128 << 10, None, 127 << 10),
        (None, 512 << 10, 511 << 10),
        (None, 2 << 20, (1 << 20) - 1024),
        (128 << 10, 2 << 20, 127 << 10),
        (2 << 20, 128 << 10, 127 << 10),
        (None, 268435455, (1 << 20) - 1024),
        (1, None, SMALLEST_CHUNK_BYTES),
    ],
)
def test_smallest_known_limit_decides(configured, announced, expected):
    """No limit known does not mean that there is none."""
    assert chunk.chunk_bytes(configured, announced) == expected


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(0, 3000), max_size=3),
    limit_bytes=st.integers(1, 4000),
    kind=st.sampled_from([Kind.DATA, Kind.RESULT]),
)
def test_pieces_make_the_same_frame_again(sizes, limit_bytes, kind):
    """For any sizes and any limit, split and put together is the identity."""
    parts = tuple(
        Tensor(str(index), 2, (size,), memoryview(random.Random(index).randbytes(size)))
        for index, size in enumerate(sizes)
    )
    buffers = frame.encode(Frame(kind, 5, 6, 7, 8, tensors=parts, meta={"client": "c"}))
    whole = joined(buffers)
    pieces = [joined(packet) for packet in chunk.split(buffers, max(limit_bytes, len(whole) // 50))]

    if len(pieces) == 1:
        assert pieces == [whole]
        return
    receiver = reassembler(max_frame_bytes=len(whole), max_bytes=len(whole))
    assert [receiver.add(piece) for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
    assert receiver.add(pieces[-1]) == whole
    assert receiver.unfinished_bytes == receiver.dropped == 0


@settings(deadline=None)
@given(st.integers(0, 20000), st.integers(2 * SMALLEST_CHUNK_BYTES, 9000))
def test_no_packet_is_larger_than_the_broker_takes(size_bytes, broker_limit):
    """A packet with its head and meta stays below the limit that the size was made from."""
    limit = chunk.chunk_bytes(broker_limit, None)

    assert all(len(p) <= broker_limit for p in packets(limit, size_bytes=size_bytes))


@given(st.integers(0, 40000), st.integers(1000, 9000))
def test_packets_are_about_as_large_and_no_more_than_needed(size_bytes, limit_bytes):
    """No packet brings a few bytes that the others had room for."""
    whole = len(joined(encoded(size_bytes)))
    carried = [
        sum(piece.nbytes for piece in pieces)
        for _, *pieces in chunk.split(encoded(size_bytes), limit_bytes)
    ]

    if whole > limit_bytes:
        assert sum(carried) == whole
        assert len(carried) == math.ceil(whole / limit_bytes)
        assert max(carried) - min(carried) < len(carried)


def test_pieces_are_views_of_the_senders_buffers():
    """Splitting copies no payload."""
    buffers = encoded(10000)
    owners = [memoryview(buffer).obj for buffer in buffers]

    for _, *pieces in chunk.split(buffers, 1024):
        assert all(any(piece.obj is owner for owner in owners) for piece in pieces)


def test_empty_array_of_several_dimensions_is_split():
    """A tensor without elements lies between others and adds nothing."""
    empty = Tensor("e", 1, (0, 3), memoryview(np.zeros((0, 3), np.float32)))
    data = Tensor("x", 2, (3000,), memoryview(bytes(3000)))
    buffers = frame.encode(
        Frame(Kind.DATA, 1, 1, tensors=(empty, data, msgspec.structs.replace(empty, name="f")))
    )
    (whole,), refused = fed(reassembler(), map(joined, chunk.split(buffers, 1000)))

    assert refused == 0
    assert [t.data.nbytes for t in frame.decode(whole).tensors] == [0, 3000, 0]


@settings(deadline=None, max_examples=50)
@given(st.randoms(use_true_random=False), st.integers(2, 5))
def test_senders_may_alternate(rng, senders):
    """Pieces of several senders, interleaved in any way, make every frame whole."""
    queues = [packets(stream=number, size_bytes=4000) for number in range(senders)]
    expected = sorted(joined(encoded(4000, stream=number)) for number in range(senders))
    mixed = []
    while any(queues):
        mixed.append(rng.choice([queue for queue in queues if queue]).pop(0))
    receiver = reassembler()
    whole, refused = fed(receiver, mixed)

    assert refused == 0
    assert sorted(map(bytes, whole)) == expected
    assert receiver.dropped == 0


@pytest.mark.parametrize("other", [{"generation": 8}, {"stage": 2}])
def test_two_workers_may_answer_one_stream_at_a_time(other):
    """While generations change over, both answer one client: neither cuts off the other."""
    old = packets(stream=1, sequence=1)
    new = packets(stream=1, sequence=2, **other)
    receiver = reassembler()
    whole, refused = fed(receiver, [p for pair in zip(old, new, strict=True) for p in pair])

    assert (len(whole), refused, receiver.dropped) == (2, 0, 0)


@settings(deadline=None)
@given(st.data())
def test_lost_piece_drops_the_frame_and_the_next_one_is_whole(data):
    """A frame with a hole is never delivered, is counted once, and holds no memory."""
    pieces = packets(sequence=1)
    lost = data.draw(st.integers(0, len(pieces) - 1))
    receiver = reassembler()
    whole, refused = fed(receiver, pieces[:lost] + pieces[lost + 1 :] + packets(sequence=2))

    assert [bytes(memory) for memory in whole] == [joined(encoded(sequence=2))]
    assert refused == len(pieces) - 1 - lost
    assert receiver.dropped == (1 if lost else 0), "without its first piece nothing had begun"
    assert receiver.unfinished_bytes == 0


@settings(deadline=None)
@given(st.data())
def test_piece_that_comes_twice_never_makes_a_wrong_frame(data):
    """A repeated piece in the middle drops the frame; a repeated first one begins again."""
    pieces = packets()
    twice = data.draw(st.integers(0, len(pieces) - 2))
    receiver = reassembler()
    whole, _ = fed(receiver, pieces[: twice + 1] + pieces[twice:])

    assert [bytes(memory) for memory in whole] == ([joined(encoded())] if twice == 0 else [])
    assert receiver.dropped == 1
    assert receiver.unfinished_bytes == 0


@settings(deadline=None)
@given(st.permutations(range(6)))
def test_pieces_out_of_order_make_no_wrong_frame(order):
    """Whatever the order, a frame is either the one that was sent or none."""
    pieces = packets(size_bytes=5500)
    assert len(pieces) == 6
    receiver = reassembler()
    whole, refused = fed(receiver, [pieces[index] for index in order])

    in_order = order == sorted(order)
    assert [bytes(memory) for memory in whole] == ([joined(encoded(5500))] if in_order else [])
    assert (refused == 0) is in_order


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 5)), max_size=60),
    st.integers(1, 4),
)
def test_memory_never_exceeds_the_bound(deliveries, max_partials):
    """Whatever comes, unfinished frames stay within the bytes and the number allowed."""
    allocated = []

    def allocate(size):
        allocated.append(size)
        return bytearray(size)

    receiver = Reassembler(
        allocate, max_frame_bytes=9000, max_bytes=12000, max_partials=max_partials
    )
    finished = 0
    for stream, sequence, index in deliveries:
        pieces = packets(stream=stream, sequence=sequence, size_bytes=2000 + 900 * stream)
        whole, _ = fed(receiver, [pieces[index % len(pieces)]])
        finished += len(whole)
        unfinished = len(allocated) - finished - receiver.dropped
        assert receiver.unfinished_bytes <= 12000
        assert 0 <= unfinished <= max_partials
        assert (receiver.unfinished_bytes == 0) is (unfinished == 0)


def test_oldest_unfinished_frame_makes_room():
    """A sender that died in the middle does not stop the others."""
    receiver = reassembler(max_bytes=12000)
    fed(receiver, packets(stream=1)[:2])
    fed(receiver, packets(stream=2)[:2])
    whole, _ = fed(receiver, packets(stream=3))

    assert len(whole) == 1
    assert receiver.dropped == 1
    assert receiver.add(packets(stream=2)[2]) is None


def test_every_truncation_of_a_piece_is_refused():
    """A cut packet is no chunk."""
    piece = packets()[0]

    for size in range(len(piece)):
        with pytest.raises(FrameError):
            reassembler().add(piece[:size])


@pytest.mark.parametrize(
    ("meta", "problem"),
    [
        ({}, "does not say"),
        ({"at": "0", "of": 100, "kind": 1}, "does not say"),
        ({"at": 0, "of": None, "kind": 1}, "does not say"),
        ({"at": 0, "of": 100}, "does not say"),
        ({"at": -1, "of": 100, "kind": 1}, "not inside"),
        ({"at": 93, "of": 100, "kind": 1}, "not inside"),
        ({"at": 2**64 - 1, "of": 100, "kind": 1}, "not inside"),
        ({"at": 0, "of": 7, "kind": 1}, "not inside"),
        ({"at": 0, "of": 2**64 - 1, "kind": 1}, "at most"),
        ({"at": 0, "of": 5001, "kind": 1}, "at most 5000"),
        ({"at": 8, "of": 100, "kind": 1}, "do not follow"),
    ],
)
def test_piece_that_belongs_nowhere_is_refused_before_memory_is_taken(meta, problem):
    """A stranger's numbers allocate nothing."""
    receiver = Reassembler(
        lambda size: pytest.fail(f"allocated {size}"), max_frame_bytes=9000, max_bytes=5000
    )

    with pytest.raises(ReassemblyError, match=problem):
        receiver.add(forged(meta))


def test_what_is_no_chunk_is_refused():
    """A data frame, a chunk with a table and an empty chunk are none."""
    meta = {"at": 0, "of": 100, "kind": 1}
    with pytest.raises(ReassemblyError, match="no chunk"):
        reassembler().add(forged(meta, kind=Kind.DATA))
    with pytest.raises(ReassemblyError, match="no chunk"):
        reassembler().add(forged(meta, table=b"?"))
    with pytest.raises(ReassemblyError, match="not inside"):
        reassembler().add(forged(meta, payload=b""))


def test_piece_that_changes_the_size_drops_the_frame():
    """All pieces of a frame agree on how large it is."""
    receiver = reassembler()
    receiver.add(forged({"at": 0, "of": 100, "kind": 1}))

    with pytest.raises(ReassemblyError, match="do not follow"):
        receiver.add(forged({"at": 8, "of": 101, "kind": 1}))
    assert receiver.dropped == 1
    assert receiver.unfinished_bytes == 0


def test_a_piece_can_be_received_into_its_place():
    """From its front alone it is known where its payload belongs; nothing is stored twice."""
    receiver = reassembler()
    pieces = packets()
    wholes = []
    for piece in pieces:
        start = frame.decode_head(piece).payload_start
        slot = receiver.slot(piece[:start], len(piece))
        assert slot.payload_start == start
        slot.view[:] = piece[start:]
        wholes.append(receiver.filled(slot))
    at_once = reassembler()

    assert wholes[:-1] == [None] * (len(pieces) - 1)
    assert bytes(wholes[-1]) == bytes([at_once.add(piece) for piece in pieces][-1])
    assert receiver.unfinished_bytes == 0


def test_a_front_that_is_not_whole_is_refused():
    """Before a place is made for what follows."""
    piece = packets()[0]
    start = frame.decode_head(piece).payload_start
    receiver = reassembler()
    for size in range(start):
        with pytest.raises(FrameError):
            receiver.slot(piece[:size], len(piece))

    assert receiver.unfinished_bytes == 0


def test_an_unfinished_frame_has_an_age():
    """A sender that died in the middle of one holds no memory for ever; it is told."""
    told = []
    receiver = reassembler(given_up=told.append)
    first, second, *others = packets(stream=1)
    receiver.add(first, now=0.0)
    receiver.add(second, now=100.0)
    filled = frame.decode_head(first).payload_bytes + frame.decode_head(second).payload_bytes
    receiver.add(packets(stream=2)[0], now=150.0)
    receiver.expire(100.0 + UNFINISHED_SECONDS - 1)
    before = (receiver.dropped, receiver.unfinished_bytes)
    receiver.expire(100.0 + UNFINISHED_SECONDS)

    assert before == (0, 2 * receiver.unfinished_bytes)
    assert receiver.dropped == 1
    assert [f"unfinished at {filled} of" in str(error) for error in told] == [True]
    with pytest.raises(ReassemblyError, match="do not follow"):
        receiver.add(others[0], now=300.0)


def test_what_is_given_up_while_its_piece_comes_makes_no_frame():
    """A piece that took too long has no frame to go into any more."""
    receiver = reassembler()
    pieces = packets(size_bytes=1500)
    receiver.add(pieces[0])
    start = frame.decode_head(pieces[1]).payload_start
    slot = receiver.slot(pieces[1][:start], len(pieces[1]))
    receiver.expire(UNFINISHED_SECONDS)
    slot.view[:] = pieces[1][start:]

    assert receiver.filled(slot) is None
    assert receiver.unfinished_bytes == 0


def test_the_bound_is_one_for_all_addresses():
    """Frames of other addresses make room; those of one sender at two addresses are two."""
    receiver = reassembler(max_bytes=12000)
    for address in ("a", "b"):
        receiver.add(packets(stream=1)[0], address)
    held = receiver.unfinished_bytes
    receiver.add(packets(stream=2)[0], "c")

    assert (held, receiver.unfinished_bytes, receiver.dropped) == (held, held, 1)
    with pytest.raises(ReassemblyError):
        receiver.add(packets(stream=1)[1], "a")
    assert receiver.add(packets(stream=1)[1], "b") is None
