"""MQTT packets: built and taken apart, no I/O.

For the link that carries frames, and for questions that no whole client asks: does a port speak a
dialect, how large may a packet be, what happens to a will. Control uses `wire.session`. Packets
that carry frames are read by `wire.mqtt.inflow`, without a copy.

Source: MQTT 3.1.1 and MQTT 5.0, sections 2 and 3.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from wire.errors import MqttPacketError
from wire.mqtt import fields

LEVELS: Final = {"3.1.1": 4, "5": 5}
CONNACK: Final = 2
PUBLISH: Final = 3
PUBACK: Final = 4
SUBACK: Final = 9
DISCONNECT: Final = 14
PING: Final = b"\xc0\x00"
"""A PINGREQ."""
GOODBYE: Final = b"\xe0\x00"
"""A DISCONNECT: the connection ends on purpose."""
TAKEN_OVER: Final = 0x8E
"""MQTT 5's reason of a DISCONNECT: another client connected with our id."""
KEEPALIVE_SECONDS: Final = 10
REASONS: Final = {
    0x85: "client id rejected",
    0x86: "bad user name or password",
    0x87: "not authorised",
    0x88: "server unavailable",
    0x8A: "banned",
    TAKEN_OVER: "another client has this id",
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

_WRONG_DIALECT: Final = 0x84
_CLEAN_START: Final = 0x02
_SERVER_KEEP_ALIVE: Final = 0x13
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
            size, begins = fields.number(self._data, 1)
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
    keepalive_seconds: int = KEEPALIVE_SECONDS,
    receive_bytes: int | None = None,
) -> bytes:
    """Return a CONNECT with a clean start.

    ``receive_bytes``: the largest packet that we take, which MQTT 5 alone can say.
    """
    no_properties = b"\x00" if dialect == "5" else b""
    flags = _CLEAN_START
    content = fields.text(client_id)
    if will is not None:
        flags |= 0x04 | 0x08 | (0x20 if will.retain else 0)
        content += no_properties + fields.text(will.topic) + fields.sized(will.payload)
    if username is not None:
        flags |= 0x80
        content += fields.text(username)
    if password is not None:
        flags |= 0x40
        content += fields.text(password)
    head = fields.text("MQTT") + bytes((LEVELS[dialect], flags)) + fields.short(keepalive_seconds)
    properties = no_properties
    if receive_bytes is not None and dialect == "5":
        properties = b"\x05" + bytes((_MAXIMUM_PACKET_SIZE,)) + receive_bytes.to_bytes(4, "big")
    return fields.packet(0x10, head + properties + content)


def publish(
    dialect: str, topic: str, payload: bytes, packet_id: int, *, retain: bool = False
) -> bytes:
    """Return a PUBLISH with QoS 1."""
    properties = b"\x00" if dialect == "5" else b""
    first = 0x32 | (1 if retain else 0)
    return fields.packet(first, fields.text(topic) + fields.short(packet_id) + properties + payload)


@lru_cache(maxsize=256)
def publish_front(dialect: str, topic: str, payload_bytes: int) -> bytes:
    """Return what stands before the payload in a PUBLISH with QoS 0: for most frames the same.

    Raises:
        ValueError: The payload is larger than a packet can be.
    """
    name = fields.text(topic) + (b"\x00" if dialect == "5" else b"")
    return fields.head(0x30, len(name) + payload_bytes) + name


def subscribe(dialect: str, topic: str, packet_id: int, *, qos: int = 1) -> bytes:
    """Return a SUBSCRIBE to one filter."""
    properties = b"\x00" if dialect == "5" else b""
    return fields.packet(
        0x82, fields.short(packet_id) + properties + fields.text(topic) + bytes((qos,))
    )


def acknowledge(packet_id: int) -> bytes:
    """Return a PUBACK that says success."""
    return fields.packet(0x40, fields.short(packet_id))


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
    return (REFUSALS.get(code) if dialect == "3.1.1" else None) or reason(code)


def is_wrong_dialect(dialect: str, connack: bytes) -> bool:
    """Whether a CONNACK refuses because of the dialect; older brokers answer MQTT 5 in 3.1.1."""
    code = connack[1] if len(connack) > 1 else 0
    return code == 1 if dialect == "3.1.1" or len(connack) == 2 else code == _WRONG_DIALECT


def told_packet_bytes(dialect: str, connack: bytes) -> int | None:
    """Return the largest packet that a CONNACK tells; None: it tells none.

    Raises:
        MqttPacketError: Its properties are malformed.
    """
    return _told(dialect, connack, _MAXIMUM_PACKET_SIZE, 4)


def told_keepalive_seconds(dialect: str, connack: bytes) -> int | None:
    """Return the keep-alive that a CONNACK asks for in the place of ours; None: ours is right.

    Raises:
        MqttPacketError: Its properties are malformed.
    """
    return _told(dialect, connack, _SERVER_KEEP_ALIVE, 2)


def reason_code(dialect: str, packet: Packet) -> int:
    """Return the reason of a PUBACK, SUBACK or DISCONNECT; 0 is success, as when none is said."""
    if packet.kind == SUBACK:
        return packet.body[-1] if packet.body else 0x80
    at = 0 if packet.kind == DISCONNECT else 2
    return packet.body[at] if dialect == "5" and len(packet.body) > at else 0


def reason(code: int) -> str:
    """Return a reason code in words where we have them."""
    return REASONS.get(code, f"reason {code:#04x}")


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
            size, at = fields.number(body, at)
            at += size
    except (IndexError, UnicodeDecodeError):
        raise MqttPacketError("a PUBLISH that is cut off") from None
    return Message(topic, body[at:], qos, bool(packet.flags & 1), packet_id)


def _told(dialect: str, connack: bytes, wanted: int, size: int) -> int | None:
    """Return the number of a property of a CONNACK."""
    if dialect != "5" or len(connack) < 3:
        return None
    try:
        length, at = fields.number(connack, 2)
        ends = at + length
        while at < ends:
            name = connack[at]
            if name == wanted:
                return int.from_bytes(connack[at + 1 : at + 1 + size], "big")
            at = fields.behind(connack, name, at + 1)
    except IndexError:
        raise MqttPacketError("a CONNACK whose properties are cut off") from None
    return None
