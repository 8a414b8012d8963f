"""The few MQTT packets that ask a broker what it does: built and taken apart, no I/O.

For questions that no whole client asks: does a port speak a dialect, how large may a packet be,
what happens to a will. Whoever uses a broker uses `wire.session`.

Source: MQTT 3.1.1 and MQTT 5.0, sections 2 and 3.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from wire.errors import MqttPacketError

LEVELS: Final = {"3.1.1": 4, "5": 5}
CONNACK: Final = 2
PUBLISH: Final = 3
PUBACK: Final = 4
SUBACK: Final = 9
DISCONNECT: Final = 14
KEEPALIVE_SECONDS: Final = 10
REASONS: Final = {
    0x86: "bad user name or password",
    0x87: "not authorised",
    0x95: "packet too large",
    0x97: "quota exceeded",
}
"""MQTT 5 reason codes that people meet."""
REFUSALS: Final = {
    1: "unacceptable protocol version",
    2: "client id rejected",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorised",
}
"""What CONNACK says in MQTT 3.1.1."""

_CLEAN_START: Final = 0x02
_SIZES: Final = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}
_TEXTS: Final = (0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F)
_NUMBER: Final = 0x0B
_PAIR: Final = 0x26
_MAXIMUM_PACKET_SIZE: Final = 0x27
_MAX_BYTES: Final = 64 << 20


class Packet(NamedTuple):
    """One packet: its kind, the low four bits of its first byte, and what follows its size."""

    kind: int
    flags: int
    body: bytes


class Message(NamedTuple):
    """What a PUBLISH carries."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    packet_id: int


class LastWill(NamedTuple):
    """What the broker shall say when the connection breaks; with QoS 1."""

    topic: str
    payload: bytes
    retain: bool


class Reader:
    """Takes bytes as they come and yields whole packets."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yield the packets that are complete now.

        Raises:
            MqttPacketError: The bytes are no MQTT, or a packet is larger than 64 MiB.
        """
        self._data += data
        while (head := self._head()) is not None:
            first, begins, size = head
            if size > _MAX_BYTES:
                raise MqttPacketError(f"a packet of {size} bytes")
            if len(self._data) < begins + size:
                return
            body = bytes(self._data[begins : begins + size])
            del self._data[: begins + size]
            yield Packet(first >> 4, first & 0x0F, body)

    def _head(self) -> tuple[int, int, int] | None:
        """Return the first byte, where the body begins and its size; None: not all here yet."""
        if not self._data:
            return None
        try:
            size, begins = _number(self._data, 1)
        except IndexError:
            return None
        return self._data[0], begins, size


def connect(
    dialect: str,
    client_id: str,
    *,
    username: str | None = None,
    password: str | None = None,
    will: LastWill | None = None,
) -> bytes:
    """Return a CONNECT with a clean start."""
    no_properties = b"\x00" if dialect == "5" else b""
    flags = _CLEAN_START
    content = _text(client_id)
    if will is not None:
        flags |= 0x04 | 0x08 | (0x20 if will.retain else 0)
        content += no_properties + _text(will.topic) + _sized(will.payload)
    if username is not None:
        flags |= 0x80
        content += _text(username)
    if password is not None:
        flags |= 0x40
        content += _text(password)
    head = _text("MQTT") + bytes((LEVELS[dialect], flags)) + _short(KEEPALIVE_SECONDS)
    return _packet(0x10, head + no_properties + content)


def publish(
    dialect: str, topic: str, payload: bytes, packet_id: int, *, retain: bool = False
) -> bytes:
    """Return a PUBLISH with QoS 1."""
    properties = b"\x00" if dialect == "5" else b""
    first = 0x32 | (1 if retain else 0)
    return _packet(first, _text(topic) + _short(packet_id) + properties + payload)


def subscribe(dialect: str, topic: str, packet_id: int, *, qos: int = 1) -> bytes:
    """Return a SUBSCRIBE to one filter."""
    properties = b"\x00" if dialect == "5" else b""
    return _packet(0x82, _short(packet_id) + properties + _text(topic) + bytes((qos,)))


def acknowledge(packet_id: int) -> bytes:
    """Return a PUBACK that says success."""
    return _packet(0x40, _short(packet_id))


def refusal(dialect: str, connack: bytes) -> str | None:
    """Return why a CONNACK refuses; None: it accepts.

    Raises:
        MqttPacketError: It is too short.
    """
    if len(connack) < 2:
        raise MqttPacketError("a CONNACK that is cut off")
    code = connack[1]
    if code == 0:
        return None
    known = REFUSALS.get(code) if dialect == "3.1.1" else REASONS.get(code)
    return known or f"reason {code:#04x}"


def told_packet_bytes(dialect: str, connack: bytes) -> int | None:
    """Return the largest packet that a CONNACK tells; None: it tells none.

    Raises:
        MqttPacketError: Its properties are malformed.
    """
    if dialect != "5" or len(connack) < 3:
        return None
    try:
        size, at = _number(connack, 2)
        ends = at + size
        while at < ends:
            name = connack[at]
            if name == _MAXIMUM_PACKET_SIZE:
                return int.from_bytes(connack[at + 1 : at + 5], "big")
            at = _behind(connack, name, at + 1)
    except IndexError:
        raise MqttPacketError("a CONNACK whose properties are cut off") from None
    return None


def reason_code(dialect: str, packet: Packet) -> int:
    """Return the reason of a PUBACK, SUBACK or DISCONNECT; 0 is success, as when none is said."""
    if packet.kind == SUBACK:
        return packet.body[-1] if packet.body else 0x80
    at = 0 if packet.kind == DISCONNECT else 2
    return packet.body[at] if dialect == "5" and len(packet.body) > at else 0


def message(dialect: str, packet: Packet) -> Message:
    """Return what a PUBLISH carries.

    Raises:
        MqttPacketError: It is cut off.
    """
    body, qos = packet.body, packet.flags >> 1 & 3
    try:
        at = 2 + int.from_bytes(body[:2], "big")
        topic = body[2:at].decode()
        packet_id = 0
        if qos:
            packet_id, at = int.from_bytes(body[at : at + 2], "big"), at + 2
        if dialect == "5":
            size, at = _number(body, at)
            at += size
    except (IndexError, UnicodeDecodeError):
        raise MqttPacketError("a PUBLISH that is cut off") from None
    return Message(topic, body[at:], qos, bool(packet.flags & 1), packet_id)


def _behind(data: bytes, name: int, at: int) -> int:
    """Return where the property behind the one that is at ``at`` begins."""
    if name in _SIZES:
        return at + _SIZES[name]
    if name == _NUMBER:
        return _number(data, at)[1]
    if name in _TEXTS or name == _PAIR:
        for _ in range(2 if name == _PAIR else 1):
            at += 2 + (data[at] << 8 | data[at + 1])
        return at
    raise MqttPacketError(f"the unknown property {name:#04x}")


def _number(data: bytes | bytearray, at: int) -> tuple[int, int]:
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


def _packet(first: int, body: bytes) -> bytes:
    size, left = bytearray(), len(body)
    while True:
        left, byte = divmod(left, 128)
        size.append(byte | (0x80 if left else 0))
        if not left:
            return bytes((first,)) + bytes(size) + body


def _short(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _sized(data: bytes) -> bytes:
    return _short(len(data)) + data


def _text(text: str) -> bytes:
    return _sized(text.encode())
