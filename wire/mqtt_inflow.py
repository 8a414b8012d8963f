"""Reads MQTT from a broker without copying payloads: says where the next bytes belong. No I/O.

    while True:
        inflow.took(receive_into(inflow.window()))
        while (event := inflow.next_event()) is not None:
            ...

Small things come through a small buffer: whole packets, and of a PUBLISH what stands before its
payload. Then `Coming` asks where the payload shall go: what of it is in the buffer already is
copied, and the window is the rest of the place that was given. Where none is given the payload is
passed over, whatever its size. So nothing is allocated here, and nothing grows.

Source: MQTT 3.1.1 and MQTT 5.0, sections 2, 3.3.
"""

from typing import Final, NamedTuple

from wire import mqtt_fields as fields
from wire.errors import MqttPacketError
from wire.mqtt_packets import PUBLISH, Packet

BUFFER_BYTES: Final = 4096
LONGEST_TOPIC_BYTES: Final = 1024
"""Longer ones are not ours: their messages are passed over."""
PEEK_BYTES: Final = 512
"""So much of a payload can be seen before its place is decided, or all of it."""


class Coming(NamedTuple):
    """A message's payload begins: `Inflow.fill` says where it shall go."""

    topic: str
    size_bytes: int
    peek: memoryview
    """Its beginning, valid until the next call."""


class Came(NamedTuple):
    """The place that was given is full."""


Event = Packet | Coming | Came


class Inflow:
    """What a broker sends, taken apart as it comes.

    Args:
        dialect: ``5`` or ``3.1.1``.
    """

    def __init__(self, dialect: str) -> None:
        self._has_properties = dialect == "5"
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        """Where in the buffer the bytes are that were not looked at yet."""
        self._passing = 0
        """Bytes to be passed over."""
        self._message: tuple[str, int] | None = None
        """Topic and payload size of a message whose payload begins where we are."""
        self._offered: int | None = None
        """Size of the payload whose place is being decided; it begins where we are."""
        self._place: memoryview | None = None
        """The rest of the place that is being filled."""

    @property
    def filling(self) -> bool:
        """Whether all of the window is awaited; otherwise some of it will do."""
        return self._place is not None

    def window(self) -> memoryview:
        """Return where the next bytes belong; never empty once there is no event left."""
        if self._place is not None:
            return self._place
        if self._start:
            left = self._view[self._start : self._end]
            self._view[: left.nbytes] = left
            self._start, self._end = 0, left.nbytes
        return self._view[self._end :]

    def took(self, count: int) -> None:
        """Note that so many bytes were received into the window."""
        if self._place is not None:
            self._place = self._place[count:]
        else:
            self._end += count

    def fill(self, place: memoryview, skip_bytes: int = 0) -> None:
        """Let the payload that is `Coming` go to ``place``; call it before the next event.

        Args:
            place: Of one dimension, of bytes; it has room for all but ``skip_bytes``.
            skip_bytes: Of the payload's beginning, not more than its peek.
        """
        offered = self._offered
        if offered is None or place.nbytes != offered - skip_bytes:
            raise ValueError(f"{place.nbytes} bytes for a payload of {offered}")
        self._start += skip_bytes
        here = min(self._end - self._start, place.nbytes)
        place[:here] = self._view[self._start : self._start + here]
        self._start += here
        self._offered = None
        self._place = place[here:]

    def next_event(self) -> Event | None:
        """Return what has come; None: more bytes are needed.

        Raises:
            MqttPacketError: It is no MQTT, or nothing that was asked for.
        """
        if self._offered is not None:  # nobody wanted it
            self._passing, self._offered = self._offered, None
        if self._place is not None:
            if self._place.nbytes:
                return None
            self._place = None
            return Came()
        while True:
            here = min(self._end - self._start, self._passing)
            self._start += here
            self._passing -= here
            if self._passing:
                return None
            if self._message is not None:
                return self._coming(*self._message)
            packet = self._packet()
            if packet is not None or (self._message is None and not self._passing):
                return packet

    def _coming(self, topic: str, size: int) -> Coming | None:
        here = self._end - self._start
        if here < min(size, PEEK_BYTES):
            return None
        self._message = None
        self._offered = size
        return Coming(topic, size, self._view[self._start : self._start + min(here, size)])

    def _packet(self) -> Packet | None:
        """Take the packet that begins where we are.

        A PUBLISH sets what follows: a message, or bytes to be passed over. None of these: more
        bytes are needed.
        """
        data = self._view[self._start : self._end]
        if not data:
            return None
        try:
            size, begins = fields.number(data, 1)
        except IndexError:
            return None
        kind, flags = data[0] >> 4, data[0] & 0x0F
        if kind == PUBLISH:
            self._publish(flags, data, begins, begins + size)
            return None
        if begins + size > BUFFER_BYTES:
            raise MqttPacketError(f"a packet of kind {kind} and {size} bytes")
        if len(data) < begins + size:
            return None
        self._start += begins + size
        return Packet(kind, flags, bytes(data[begins : begins + size]))

    def _publish(self, flags: int, data: memoryview, begins: int, ends: int) -> None:
        """Take what stands before the payload of a PUBLISH, if it is here."""
        if flags & 0x06:
            raise MqttPacketError(f"a message of QoS {flags >> 1 & 3}, which nobody asked for")
        if ends < begins + 2:
            raise MqttPacketError("a PUBLISH that is cut off")
        if len(data) < begins + 2:
            return
        topic_begins = begins + 2
        at = topic_begins + (data[begins] << 8 | data[begins + 1])
        if at - topic_begins > LONGEST_TOPIC_BYTES:
            if at > ends:
                raise MqttPacketError("a PUBLISH that is cut off")
            self._passing = ends
            return
        properties = 0
        topic_ends = at
        if self._has_properties:
            try:
                properties, at = fields.number(data[: min(len(data), ends)], at)
            except IndexError:
                if len(data) < min(ends, at + 4):
                    return
                raise MqttPacketError("a PUBLISH that is cut off") from None
        if at + properties > ends:
            raise MqttPacketError("a PUBLISH that is cut off")
        if len(data) < at:
            return
        try:
            topic = str(data[topic_begins:topic_ends], "utf-8")
        except UnicodeDecodeError:
            raise MqttPacketError("a topic that is no UTF-8") from None
        self._start += at
        self._passing = properties
        self._message = topic, ends - at - properties
