"""Protobuf's wire format, one message at a time, as views that copy nothing.

A message is walked flat: sub-messages come out as sub-views and whoever descends bounds the depth.
Everything else is bounded here: the size of a varint, every length inside its parent, and the
number of fields of a whole walk. We are stricter than protobuf, because two readers that
understand one file differently are a hole: groups, a field of another wire type than its schema
says, and a second value of a field that has only one are all refused, where protobuf would skip,
keep or merge them.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from wire.model.errors import ProtobufError

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5
_FIXED_BYTES: Final = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT_BYTES: Final = 10
_MAX_TAG: Final = (1 << 32) - 1

Value: TypeAlias = int | memoryview
"""A varint as an unsigned number; any other field as a view of its bytes."""


class Rule(NamedTuple):
    """What a schema allows for one field number."""

    wire_types: tuple[int, ...]
    repeated: bool = False


Schema: TypeAlias = Mapping[int, Rule]

NUMBER: Final = Rule((VARINT,))
NUMBERS: Final = Rule((VARINT, LENGTH), repeated=True)
FLOAT: Final = Rule((FIXED32,))
FLOATS: Final = Rule((FIXED32, LENGTH), repeated=True)
DOUBLES: Final = Rule((FIXED64, LENGTH), repeated=True)
ONE: Final = Rule((LENGTH,))
"""A string, bytes or a sub-message."""
MANY: Final = Rule((LENGTH,), repeated=True)


@dataclass(slots=True)
class Budget:
    """What a whole walk may still spend; shared by all its messages."""

    fields_left: int
    refuse_unknown: bool = True
    """Refuse fields that a schema does not list, instead of skipping them."""


class Message:
    """The fields of one message. Views belong to the walked buffer and live as long as it."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[int, list[Value]]) -> None:
        self._values = values

    def __contains__(self, field: int) -> bool:
        return field in self._values

    def values(self, field: int) -> list[Value]:
        """Return every value of ``field`` in the file's order."""
        return self._values.get(field, [])

    def views(self, field: int) -> list[memoryview]:
        """Return every value of ``field`` that is bytes, in the file's order."""
        return [value for value in self.values(field) if isinstance(value, memoryview)]

    def view(self, field: int) -> memoryview | None:
        """Return the bytes of a field that stands at most once."""
        views = self.views(field)
        return views[0] if views else None

    def number(self, field: int, default: int = 0) -> int:
        """Return a signed 64-bit number that stands at most once."""
        for value in self.values(field):
            if isinstance(value, int):
                return signed(value)
        return default

    def numbers(self, field: int, *, at_most: int) -> tuple[int, ...]:
        """Return a repeated signed number, packed or not.

        Raises:
            ProtobufError: There are more than ``at_most``, or the packed ones are cut off.
        """
        found: list[int] = []
        for value in self.values(field):
            for number in (value,) if isinstance(value, int) else varints(value):
                if len(found) == at_most:
                    raise ProtobufError(f"field {field} has more than {at_most} numbers")
                found.append(signed(number))
        return tuple(found)

    def text(self, field: int, *, at_most: int = 1 << 16) -> str:
        """Return a string of at most ``at_most`` bytes; empty when absent.

        Raises:
            ProtobufError: It is longer, or not UTF-8.
        """
        view = self.view(field)
        return text(view, at_most=at_most) if view is not None else ""


def decode(data: memoryview, schema: Schema, budget: Budget) -> Message:
    """Return the message that fills ``data``, a view of bytes.

    Raises:
        ProtobufError: It is malformed, does not fit ``schema`` or exceeds ``budget``.
    """
    values: dict[int, list[Value]] = {}
    for number, wire_type, value, _ in fields(data, budget):
        rule = schema.get(number)
        if rule is None:
            if budget.refuse_unknown:
                raise ProtobufError(f"unknown field {number}")
            continue
        if wire_type not in rule.wire_types:
            raise ProtobufError(f"field {number} has wire type {wire_type}")
        if number not in values:
            values[number] = [value]
        elif rule.repeated:
            values[number].append(value)
        else:
            raise ProtobufError(f"field {number} stands twice")
    return Message(values)


def fields(data: memoryview, budget: Budget) -> Iterator[tuple[int, int, Value, int]]:
    """Yield (field number, wire type, value, end) of the message that fills ``data``.

    ``end`` is where the field ends in ``data``; each begins where the one before it ended.

    Raises:
        ProtobufError: The next field is malformed, leaves ``data`` or exceeds ``budget``.
    """
    at, end = 0, len(data)
    while at < end:
        budget.fields_left -= 1
        if budget.fields_left < 0:
            raise ProtobufError("more fields than are allowed in one model")
        tag = data[at]
        at += 1
        if tag >= 0x80:
            tag, at = _varint(data, at - 1)
        number, wire_type = tag >> 3, tag & 7
        if not number or tag > _MAX_TAG:
            raise ProtobufError(f"field number {number} is impossible")
        if wire_type == VARINT:
            number_value, at = _varint(data, at)
            yield number, wire_type, number_value, at
            continue
        if wire_type == LENGTH:
            size, at = _varint(data, at)
        elif wire_type in _FIXED_BYTES:
            size = _FIXED_BYTES[wire_type]
        else:
            raise ProtobufError(f"field {number} has wire type {wire_type}")
        if size > end - at:
            raise ProtobufError(f"field {number} ends {size - (end - at)} bytes after its parent")
        value = data[at : at + size]
        at += size
        yield number, wire_type, value, at


def varints(data: memoryview) -> Iterator[int]:
    """Yield the unsigned numbers packed in ``data``.

    Raises:
        ProtobufError: The next one is too long or cut off.
    """
    at, end = 0, len(data)
    while at < end:
        value, at = _varint(data, at)
        yield value


def signed(value: int) -> int:
    """Return an unsigned 64-bit number as protobuf's int64."""
    return value - (1 << 64) if value >= 1 << 63 else value


def text(view: memoryview, *, at_most: int) -> str:
    """Return ``view`` as text.

    Raises:
        ProtobufError: It is longer than ``at_most`` bytes, or not UTF-8.
    """
    if len(view) > at_most:
        raise ProtobufError(f"a string has {len(view)} bytes (at most {at_most})")
    try:
        return str(view, "utf-8")
    except UnicodeDecodeError as error:
        raise ProtobufError("a string is not UTF-8") from error


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return the number at ``at`` and where the next field begins."""
    value = shift = 0
    try:
        if data[at] < 0x80:  # most numbers are one byte, and most of the scan's time is here
            return data[at], at + 1
        while shift < 7 * _MAX_VARINT_BYTES:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        else:
            raise ProtobufError(f"a number has more than {_MAX_VARINT_BYTES} bytes")
    except IndexError:
        raise ProtobufError("a number is cut off") from None
    if value >> 64:
        raise ProtobufError("a number has more than 64 bits")
    return value, at
