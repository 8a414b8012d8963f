import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.model import protobuf
from wire.model.errors import ProtobufError
from wire.model.protobuf import FIXED32, FIXED64, LENGTH, MANY, NUMBER, NUMBERS, ONE, VARINT, Budget


def varint(value):
    """Encode one number."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def field(number, wire_type, value):
    """Encode one field."""
    tag = varint(number << 3 | wire_type)
    if wire_type == VARINT:
        return tag + varint(value)
    return tag + (varint(len(value)) if wire_type == LENGTH else b"") + value


def walked(data, fields=100):
    """Return all fields with copies of their bytes."""
    return [(n, w, v if isinstance(v, int) else bytes(v)) for n, w, v, _ in views(data, fields)]


def views(data, fields=100):
    """Return all fields as the walk yields them."""
    return list(protobuf.fields(memoryview(data), Budget(fields)))


NUMBERS_OF_FIELDS = st.integers(1, (1 << 29) - 1)
FIELDS = st.one_of(
    st.tuples(NUMBERS_OF_FIELDS, st.just(VARINT), st.integers(0, (1 << 64) - 1)),
    st.tuples(NUMBERS_OF_FIELDS, st.just(LENGTH), st.binary(max_size=200)),
    st.tuples(NUMBERS_OF_FIELDS, st.just(FIXED32), st.binary(min_size=4, max_size=4)),
    st.tuples(NUMBERS_OF_FIELDS, st.just(FIXED64), st.binary(min_size=8, max_size=8)),
)


@given(st.lists(FIELDS, max_size=8))
def test_every_field_comes_back(fields):
    """What an encoder wrote is what the walk yields."""
    data = b"".join(field(*one) for one in fields)

    assert fields == walked(data)


@given(st.binary(max_size=100))
def test_any_bytes_are_walked_or_refused(data):
    """Bytes that are no message raise the coded error and nothing else."""
    found = []
    with contextlib.suppress(ProtobufError):
        found = walked(data)

    assert len(found) <= len(data) / 2


def test_values_are_views():
    """A large field is never copied: its view reaches back into the caller's buffer."""
    data = bytearray(field(9, LENGTH, b"weights"))
    [(_, _, value, _)] = views(data)
    data[-1:] = b"S"

    assert bytes(value) == b"weightS"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x0a", "cut off"),
        (b"\x8a", "cut off"),
        (b"\x08", "cut off"),
        (b"\x08" + b"\x80" * 10 + b"\x00", "more than 10 bytes"),
        (b"\x08" + b"\xff" * 9 + b"\x02", "more than 64 bits"),
        (b"\x0a\x05abcd", "ends 1 bytes after its parent"),
        (b"\x0a" + b"\xff" * 9 + b"\x01", "after its parent"),
        (b"\x0d\x00\x00\x00", "ends 1 bytes after its parent"),
        (b"\x09" + bytes(7), "ends 1 bytes after its parent"),
        (b"\x00\x00", "field number 0 is impossible"),
        (varint(1 << 32) + b"\x00", "is impossible"),
        (b"\x0b\x0c", "wire type 3"),
        (b"\x0f", "wire type 7"),
    ],
)
def test_malformed_is_named(data, problem):
    """Each way to break the format is refused with what is wrong."""
    with pytest.raises(ProtobufError, match=problem):
        walked(data)


def test_fields_of_a_whole_walk_are_counted():
    """The budget is shared by all messages, so many small ones do not escape it."""
    budget = Budget(fields_left=3)
    data = memoryview(field(1, VARINT, 7) * 2)
    list(protobuf.fields(data, budget))

    with pytest.raises(ProtobufError, match="more fields than are allowed"):
        list(protobuf.fields(data, budget))


def decoded(data, schema, *, refuse_unknown=True):
    """Decode one message by a schema."""
    return protobuf.decode(memoryview(data), schema, Budget(100, refuse_unknown))


def test_a_message_answers_by_field():
    """Numbers are signed, texts are text, absent fields have defaults."""
    data = field(1, VARINT, (1 << 64) - 5) + field(2, LENGTH, "näme".encode())
    message = decoded(data, {1: NUMBER, 2: ONE, 3: MANY})

    assert (message.number(1), message.text(2)) == (-5, "näme")
    assert (message.number(7, default=4), message.text(7), message.view(7)) == (4, "", None)
    assert (2 in message, 3 in message, message.views(3)) == (True, False, [])


def test_numbers_are_read_packed_or_not():
    """A repeated number may stand in one field, in many, or in both ways."""
    packed = field(1, LENGTH, varint(300) + varint((1 << 64) - 1))
    message = decoded(field(1, VARINT, 4) + packed, {1: NUMBERS})

    assert message.numbers(1, at_most=3) == (4, 300, -1)
    with pytest.raises(ProtobufError, match="more than 2 numbers"):
        message.numbers(1, at_most=2)


def test_a_cut_packed_number_is_refused():
    """The last packed number must be whole."""
    message = decoded(field(1, LENGTH, b"\x01\x80"), {1: NUMBERS})

    with pytest.raises(ProtobufError, match="cut off"):
        message.numbers(1, at_most=9)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (field(1, VARINT, 1) * 2, "field 1 stands twice"),
        (field(1, LENGTH, b""), "field 1 has wire type 2"),
        (field(9, VARINT, 1), "unknown field 9"),
    ],
)
def test_what_two_readers_could_understand_differently_is_refused(data, problem):
    """Protobuf would merge, skip or keep these; here they are no message."""
    with pytest.raises(ProtobufError, match=problem):
        decoded(data, {1: NUMBER})


def test_unknown_fields_may_be_skipped():
    """A reader of newer files can choose to pass over what it does not know."""
    data = field(9, LENGTH, b"new") + field(1, VARINT, 6)

    assert decoded(data, {1: NUMBER}, refuse_unknown=False).number(1) == 6


@pytest.mark.parametrize(
    ("text", "problem"), [(b"\xff", "not UTF-8"), (b"abcd", "has 4 bytes \\(at most 3\\)")]
)
def test_texts_are_checked(text, problem):
    """A name is short and UTF-8."""
    message = decoded(field(2, LENGTH, text), {2: ONE})

    with pytest.raises(ProtobufError, match=problem):
        message.text(2, at_most=3)
