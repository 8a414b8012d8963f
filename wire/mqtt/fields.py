"""The fields that MQTT packets are made of. Pure.

Source: MQTT 3.1.1 and MQTT 5.0, sections 1.5 and 2.
"""

from typing import Final

from wire.errors import MqttPacketError

_SIZES: Final = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}
_TEXTS: Final = (0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F)
_NUMBER: Final = 0x0B
_PAIR: Final = 0x26
MAX_SIZE: Final = 0x0FFFFFFF
"""The largest size that a packet can say."""


def head(first: int, size: int) -> bytes:
    """Return a packet's fixed header: its first byte, and how many bytes follow.

    Raises:
        ValueError: More than a packet can carry: a bug in the caller.
    """
    return bytes((first,)) + vary(size)


def vary(value: int) -> bytes:
    """Return a number as a variable byte integer."""
    if not 0 <= value <= MAX_SIZE:
        raise ValueError(f"{value} is no size of a packet")
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def number(data: bytes | bytearray | memoryview, at: int) -> tuple[int, int]:
    """Return a variable byte integer and where it ends.

    Raises:
        IndexError: Its end is not here.
        MqttPacketError: It has more than four bytes.
    """
    value = 0
    for count in range(4):
        byte = data[at + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, at + count + 1
    raise MqttPacketError("a size of more than four bytes")


def behind(data: bytes, name: int, at: int) -> int:
    """Return where the property behind the one that is at ``at`` begins.

    Raises:
        IndexError: Its end is not here.
        MqttPacketError: There is none of that name.
    """
    if name in _SIZES:
        return at + _SIZES[name]
    if name == _NUMBER:
        return number(data, at)[1]
    if name in _TEXTS or name == _PAIR:
        for _ in range(2 if name == _PAIR else 1):
            at += 2 + (data[at] << 8 | data[at + 1])
        return at
    raise MqttPacketError(f"the unknown property {name:#04x}")


def packet(first: int, body: bytes) -> bytes:
    """Return a whole packet."""
    return head(first, len(body)) + body


def short(value: int) -> bytes:
    """Return a two-byte integer."""
    return value.to_bytes(2, "big")


def sized(data: bytes) -> bytes:
    """Return bytes behind their size, which may be 65,535."""
    return short(len(data)) + data


def text(value: str) -> bytes:
    """Return a text as MQTT writes it."""
    return sized(value.encode())
