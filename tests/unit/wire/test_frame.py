"""The frame codec: what goes in comes out, and nothing else is taken for a frame."""

import struct
import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from wire import frame, tensors
from wire.errors import FrameError
from wire.frame import ALIGNMENT, HEAD_BYTES, Frame, Kind, Tensor
from wire.tensors import ELEMENT_TYPES, MAX_RANK

U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))
META_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
METAS = st.dictionaries(st.text(max_size=8), META_VALUES, max_size=4)


@st.composite
def one_tensor(draw, name):
    """A tensor of any element type, also of rank 0, also without elements, also encoded."""
    dtype = draw(st.sampled_from(sorted(ELEMENT_TYPES)))
    shape = tuple(draw(st.lists(st.integers(0, 5), max_size=4)))
    encoded_bytes = draw(st.none() | st.integers(0, 200))
    size = tensors.size_bytes(dtype, shape) if encoded_bytes is None else encoded_bytes
    pattern = draw(st.binary(min_size=1, max_size=16))
    return Tensor(name, dtype, shape, memoryview((pattern * (size + 1))[:size]))


@st.composite
def frames(draw):
    """Any frame that a sender can make."""
    names = draw(st.lists(st.text(max_size=12), unique=True, max_size=4))
    return Frame(
        kind=draw(st.sampled_from(Kind)),
        stream=draw(U64),
        sequence=draw(U64),
        generation=draw(U32),
        stage=draw(U16),
        deadline_ms=draw(U32),
        meta=draw(METAS),
        tensors=tuple(draw(one_tensor(name)) for name in names),
        flags=draw(st.sampled_from([0x00, 0x10, 0xF0])),
    )


def joined(buffers):
    """What a receiver's memory holds."""
    return bytearray(b"".join(memoryview(buffer).cast("B") for buffer in buffers))


def sample():
    """The bytes of a frame with meta and two tensors, the second behind a gap."""
    data = memoryview(bytes(range(100)))
    pair = (Tensor("boxes", 3, (4, 25), data), Tensor("scalar", 1, (), data[:4]))
    meta = {"client": "c1", "timings": [[1, 2]], "x-later": {"a": b"b"}}
    return joined(frame.encode(Frame(Kind.DATA, 7, 8, 3, 1, 5000, meta, pair)))


def forged(meta=b"\x80", table=b"", payload=b"", tensor_count=0, **numbers):
    """Bytes with a right CRC, laid out here by hand: what a hostile sender can make."""
    fields = {"magic": b"PLNE", "version": 1, "flags": 0, "kind": 1, "pad": 0, "reserved": 0}
    fields |= {"payload_bytes": len(payload), "meta_bytes": len(meta), "table_bytes": len(table)}
    fields |= numbers
    head = struct.pack(
        "<4sBBBBIHHQQIIIQQ",
        *(fields[n] for n in ("magic", "version", "flags", "kind", "pad")),
        *(1, 2, tensor_count, 3, 4, 5),
        *(fields[n] for n in ("meta_bytes", "table_bytes", "payload_bytes", "reserved")),
    )
    front = head + struct.pack("<I", zlib.crc32(head + meta + table)) + meta + table
    return front + (bytes(-len(front) % ALIGNMENT) + payload if payload else b"")


def entry(name=b"x", dtype=1, rank=0, zero=0, size=4, shape=()):
    """One row of a table, laid out by hand."""
    return (
        struct.pack("<BBHIQ", dtype, rank, len(name), zero, size)
        + struct.pack(f"<{len(shape)}Q", *shape)
        + name
    )


@settings(deadline=None)
@given(frames())
@example(Frame(Kind.DATA, 0, 0))
def test_what_goes_in_comes_out(sent):
    """Every field, meta with keys that nobody knows, and every tensor survive."""
    received = frame.decode(joined(frame.encode(sent)))

    assert received == sent
    assert frame.encode(received)[0] == frame.encode(sent)[0]


@settings(deadline=None)
@given(frames())
def test_head_tells_how_much_follows(sent):
    """A stream reader learns the whole size from the first 64 bytes."""
    buffers = frame.encode(sent)
    head = frame.decode_head(joined(buffers)[:HEAD_BYTES])

    assert head.total_bytes == frame.total_bytes(buffers) == len(joined(buffers))
    assert head.kind is sent.kind


@settings(deadline=None)
@given(frames())
def test_payloads_are_aligned_views_of_the_received_memory(sent):
    """Nothing is copied: each tensor begins at a multiple of 64 inside the caller's memory."""
    data = joined(frame.encode(sent))
    start = np.frombuffer(data, np.uint8).ctypes.data
    received = frame.decode(data)

    for tensor in received.tensors:
        assert tensor.data.obj is data
        if tensor.data.nbytes:
            at = np.frombuffer(tensor.data, np.uint8).ctypes.data - start
            assert at % ALIGNMENT == 0


@settings(deadline=None)
@given(frames())
def test_encode_hands_on_the_callers_buffers(sent):
    """The payloads in the list are the very buffers that the caller gave."""
    buffers = frame.encode(sent)

    for tensor in sent.tensors:
        assert any(buffer is tensor.data for buffer in buffers)
    assert sum(not isinstance(buffer, bytes) for buffer in buffers) == len(sent.tensors)


def test_every_truncation_and_every_appendix_is_refused():
    """A frame fills its memory exactly."""
    data = sample()

    for size in range(len(data)):
        with pytest.raises(FrameError):
            frame.decode(data[:size])
    with pytest.raises(FrameError, match="expected"):
        frame.decode(data + b"\0")


@settings(deadline=None, max_examples=50)
@given(frames(), st.data())
def test_truncation_of_any_frame_is_refused(sent, data):
    """The same for frames of every form."""
    whole = joined(frame.encode(sent))

    with pytest.raises(FrameError):
        frame.decode(whole[: data.draw(st.integers(0, len(whole) - 1))])


@pytest.mark.parametrize("flip", [0x01, 0x10, 0x80, 0xFF])
def test_every_changed_byte_of_head_meta_and_table_is_refused(flip):
    """The checksum covers all that says what the payload is."""
    data = sample()
    covered = frame.decode_head(data).table_end

    for at in range(covered):
        data[at] ^= flip
        with pytest.raises(FrameError):
            frame.decode(data)
        data[at] ^= flip
    assert frame.decode(data).sequence == 8


@settings(deadline=None, max_examples=50)
@given(frames(), st.data(), st.integers(1, 255))
def test_changed_byte_of_any_frame_is_refused(sent, data, flip):
    """The same for frames of every form."""
    whole = joined(frame.encode(sent))
    covered = frame.decode_head(whole).table_end
    whole[data.draw(st.integers(0, covered - 1))] ^= flip

    with pytest.raises(FrameError):
        frame.decode(whole)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_garbage_is_refused_and_nothing_else(data):
    """Bytes from anyone raise FrameError and never anything else."""
    with pytest.raises(FrameError):
        frame.decode(data)
    with pytest.raises(FrameError):
        frame.decode(b"PLNE\x01\x00\x01\x00" + data)


@settings(deadline=None, max_examples=300)
@given(
    meta=st.binary(max_size=40) | st.binary(max_size=40).map(lambda b: b"\x81\xa1a" + b),
    table=st.binary(max_size=60) | st.binary(max_size=30).map(lambda b: entry() + b),
    payload=st.binary(max_size=80),
    tensor_count=st.integers(0, 3),
)
@example(meta=b"\x81\xa1a\xa1\xff", table=b"", payload=b"", tensor_count=0)
@example(meta=b"\x81\xa1\xff\xc0", table=b"", payload=b"", tensor_count=0)
@example(meta=b"\x81\xa1a\x81\x80\xc0", table=b"", payload=b"", tensor_count=0)
@example(meta=b"\x81\xa1a\xd7\xff" + b"\xff" * 8, table=b"", payload=b"", tensor_count=0)
@example(meta=b"\x81\xa1a" + b"\x91" * 9000 + b"\xc0", table=b"", payload=b"", tensor_count=0)
def test_forged_frames_with_a_right_checksum_raise_only_frame_errors(
    meta, table, payload, tensor_count
):
    """A checksum is no secret: behind it, too, everything is either a frame or a FrameError."""
    try:
        received = frame.decode(forged(meta, table, payload, tensor_count))
    except FrameError:
        return
    assert received.meta == msgspec.msgpack.decode(meta)
    assert len(received.tensors) == tensor_count


@pytest.mark.parametrize("flags", [1, 2, 4, 8, 0x0F, 0x1F, 0xF8])
def test_unknown_flag_of_the_low_nibble_is_refused(flags):
    """Such a flag changes what the bytes mean: who does not know it must not guess."""
    with pytest.raises(FrameError, match="unknown flags"):
        frame.decode(forged(flags=flags))


@pytest.mark.parametrize("flags", [0x10, 0x20, 0x40, 0x80, 0xF0])
def test_unknown_flag_of_the_high_nibble_is_ignored_and_travels_on(flags):
    """Such a flag is advice: who does not know it keeps it."""
    assert frame.decode(forged(flags=flags)).flags == flags


@pytest.mark.parametrize(
    ("numbers", "problem"),
    [
        ({"magic": b"PLNF"}, "wrong magic"),
        ({"version": 0}, "version 0 is unknown"),
        ({"version": 2}, "version 2 is unknown"),
        ({"kind": 0}, "unknown kind 0"),
        ({"kind": 6}, "unknown kind 6"),
        ({"pad": 1}, "reserved bytes are not zero at byte 7"),
        ({"reserved": 1 << 63}, "reserved bytes are not zero at byte 52"),
        ({"meta_bytes": frame.MAX_META_BYTES + 1}, "too many"),
        ({"table_bytes": frame.MAX_TABLE_BYTES + 1}, "too many"),
        ({"tensor_count": frame.MAX_TENSORS + 1}, "too many"),
        ({"payload_bytes": frame.MAX_FRAME_BYTES}, "at most"),
        ({"payload_bytes": 2**64 - 1}, "at most"),
    ],
)
def test_head_beyond_the_limits_is_refused_before_anything_is_read(numbers, problem):
    """64 bytes are enough to refuse, so nobody allocates what a stranger asks for."""
    with pytest.raises(FrameError, match=problem):
        frame.decode_head(forged(**numbers)[:HEAD_BYTES])


def test_receivers_own_limit_counts():
    """A receiver may take less than the format allows: the limit itself still fits."""
    data = sample()

    assert frame.decode(data, max_frame_bytes=len(data)).stream == 7
    with pytest.raises(FrameError, match="at most"):
        frame.decode(data, max_frame_bytes=len(data) - 1)


@pytest.mark.parametrize(
    ("table", "count", "problem"),
    [
        (entry()[:-1], 1, "ends early"),
        (entry()[:15], 1, "ends early"),
        (entry(dtype=0), 1, "element type 0"),
        (entry(dtype=8), 1, "element type 8"),
        (entry(rank=MAX_RANK + 1), 1, f"rank {MAX_RANK + 1}"),
        (entry(zero=1), 1, "is not taken"),
        (entry(rank=2, shape=(1,)), 1, "ends early"),
        (entry(name=b"\xff"), 1, "not UTF-8"),
        (entry(size=5), 1, "goes beyond"),
        (entry(size=2**64 - 1), 1, "goes beyond"),
        (entry(size=3), 1, "do not fill"),
        (entry() + b"?", 1, "longer than its tensors"),
        (entry(), 0, "longer than its tensors"),
        (entry() + entry(size=0), 2, "goes beyond|one name"),
    ],
)
def test_table_that_does_not_describe_the_payload_is_refused(table, count, problem):
    """A table with a right checksum must still fit its four bytes of payload."""
    with pytest.raises(FrameError, match=problem):
        frame.decode(forged(table=table, payload=b"1234", tensor_count=count))


def test_two_tensors_of_one_name_are_refused():
    """The second would silently take the place of the first."""
    table = entry(size=0) + entry(size=0)

    with pytest.raises(FrameError, match="one name"):
        frame.decode(forged(table=table, tensor_count=2))


@pytest.mark.parametrize("meta", [b"", b"\xc0", b"\x90", b"\x80\x80", b"\x81\x01\x02"])
def test_meta_that_is_no_map_of_names_is_refused(meta):
    """Meta is exactly one msgpack map with text keys."""
    with pytest.raises(FrameError, match="meta is no map"):
        frame.decode(forged(meta=meta))


@pytest.mark.parametrize(
    "changes",
    [
        {"stream": 2**64},
        {"sequence": -1},
        {"generation": 2**32},
        {"stage": 2**16},
        {"deadline_ms": 2**32},
        {"flags": 256},
        {"meta": {"a": 2**64}},
        {"meta": {"a": object()}},
        {"meta": {"a": "\ud800"}},
        {"meta": {"a": b"x" * frame.MAX_META_BYTES}},
        {"tensors": (Tensor("x", 8, (), memoryview(b"")),)},
        {"tensors": (Tensor("x", 1, (1,) * (MAX_RANK + 1), memoryview(b"")),)},
        {"tensors": (Tensor("x", 1, (2**64,), memoryview(b"")),)},
        {"tensors": (Tensor("x" * 2**16, 1, (), memoryview(b"")),)},
        {"tensors": (Tensor("x" * 40000, 1, (), memoryview(b"")),) * 2},
        {"tensors": (Tensor("x", 1, (), memoryview(b"")),) * (frame.MAX_TENSORS + 1)},
    ],
    ids="-".join,
)
def test_frame_that_does_not_fit_the_format_is_not_encoded(changes):
    """What no receiver would take is refused where it is made."""
    fields = {"kind": Kind.DATA, "stream": 1, "sequence": 1} | changes

    with pytest.raises(FrameError):
        frame.encode(Frame(**fields))


def test_meta_too_deep_to_encode_is_a_frame_error():
    """Too deep for the interpreter's stack, or too large: which comes first depends on Python."""
    deep = []
    for _ in range(frame.MAX_META_BYTES + 1):
        deep = [deep]

    with pytest.raises(FrameError, match="meta"):
        frame.encode(Frame(Kind.DATA, 1, 1, meta={"deep": deep}))


@settings(deadline=None, max_examples=50)
@given(frames(), METAS)
def test_setting_meta_keeps_the_keys_of_others(sent, changes):
    """A stage sets its keys; those it does not know travel on, and the original stays."""
    assume(not {"self"} & set(changes))
    before = dict(sent.meta)

    assert sent.with_meta(**changes).meta == before | changes
    assert sent.meta == before


def test_front_alone_says_what_the_whole_says():
    """Head and meta can be read without making tensors, under the same checks."""
    data = sample()
    head, meta = frame.decode_front(data)

    assert (head.stream, head.sequence, head.tensors) == (7, 8, 2)
    assert meta == frame.decode(data).meta
    data[70] ^= 1
    with pytest.raises(FrameError, match="CRC"):
        frame.decode_front(data)


def test_layout_is_pinned():
    """The bytes of one small frame, by hand: what another implementation must produce."""
    tensor = Tensor("x", 1, (1, 1), memoryview(b"1234"))
    sent = Frame(Kind.DATA, 3, 4, 1, 2, 5, {}, (tensor,))
    table = entry(rank=2, shape=(1, 1))

    assert joined(frame.encode(sent)) == forged(table=table, payload=b"1234", tensor_count=1)


def test_layout_of_several_tensors_is_pinned():
    """The second payload begins at the next multiple of 64 behind the first, the third as well."""
    made = (
        Tensor("x", 1, (), memoryview(b"1234")),
        Tensor("é", 2, (2, 1), memoryview(b"56")),
        Tensor("", 7, (0,), memoryview(b"")),
    )
    sent = Frame(Kind.DATA, 3, 4, 1, 2, 5, {}, made)
    table = entry() + entry("é".encode(), 2, 2, size=2, shape=(2, 1))
    table += entry(b"", 7, 1, size=0, shape=(0,))
    payload = b"1234" + bytes(60) + b"56" + bytes(62)

    assert joined(frame.encode(sent)) == forged(table=table, payload=payload, tensor_count=3)
