"""Reads MQTT from a broker without copying payloads: says where the next bytes belong. No I/O.

    while True:
        event = inflow.took(receive_into(inflow.window))
        while event is not None:
            ...
            event = inflow.next_event()

Small things come through a small buffer: whole packets, and of a PUBLISH what stands before its
payload. Then `Coming` asks where the payload shall go: what of it is in the buffer already is
copied, and the window is the rest of the place that was given. Where none is given the payload is
passed over, whatever its size. So nothing is allocated here, and nothing grows.

A frame's way leads through here with caches that are cold, so there are few calls on it.

Source: MQTT 3.1.1 and MQTT 5.0, sections 2, 3.3.
"""

from typing import Final

import msgspec

from wire.errors import MqttPacketError
from wire.mqtt import fields
from wire.mqtt.packets import PUBLISH, Packet

BUFFER_BYTES: Final = 4096
LONGEST_TOPIC_BYTES: Final = 1024
"""Longer ones are not ours: their messages are passed over."""
_PLAIN: Final = PUBLISH << 4
"""How a message begins that is not retained and not told twice."""
PEEK_BYTES: Final = 512
"""So much of a payload can be seen before its place is decided, or all of it."""


class Coming(msgspec.Struct, frozen=True, eq=False):
    """A message's payload begins: `Inflow.fill` says where it shall go."""

    topic: str
    size_bytes: int
    peek: memoryview
    """Its beginning, valid until the next call."""


class Came(msgspec.Struct, frozen=True):
    """The place that was given is full."""


Event = Packet | Coming | Came
_CAME: Final = Came()


class Inflow:
    """What a broker sends, taken apart as it comes.

    Args:
        dialect: ``5`` or ``3.1.1``.
    """

    def __init__(self, dialect: str) -> None:
        self._has_properties = dialect == "5"
        self._view = memoryview(bytearray(BUFFER_BYTES))
        self._start = self._end = 0
        """Where in the buffer the bytes are that were not looked at yet."""
        self._passing = 0
        """Bytes to be passed over."""
        self._message: tuple[str, int] | None = None
        """Topic and payload size of a message whose payload begins where we are."""
        self._offered: int | None = None
        """Size of the payload whose place is being decided; it begins where we are."""
        self.window = self._view
        """Where the next bytes belong; never empty once there is no event left."""
        self.filling = False
        """Whether all of the window is awaited; otherwise some of it will do."""

    def took(self, count: int) -> Event | None:
        """Take the bytes that were received into the window; returns as `next_event` does.

        What comes mostly, a message that is here as a whole, is seen at once.

        Raises:
            MqttPacketError: It is no MQTT, or nothing that was asked for.
        """
        if not self.filling:
            view = self._view
            end = self._end = self._end + count
            if view[0] == _PLAIN and not (self._start or self._passing or self._message):
                size, at = view[1], 2
                if size > 0x7F:
                    size, at = size & 0x7F | view[2] << 7, 3
                ends, begins = at + size, at + 2
                topic_ends = begins + (view[at] << 8 | view[at + 1])
                payload = topic_ends + self._has_properties
                if (
                    ends <= end
                    and payload <= ends
                    and (at == 2 or view[2] < 0x80)  # the size has no third byte
                    and not (self._has_properties and view[topic_ends])
                    and topic_ends - begins <= LONGEST_TOPIC_BYTES
                ):
                    topic = _text(view[begins:topic_ends])
                    self._start, self._offered = payload, ends - payload
                    return Coming(topic, ends - payload, view[payload:ends])
            return self.next_event()
        if count < self.window.nbytes:
            self.window = self.window[count:]
            return None
        self.filling = False  # and the buffer is empty
        self._start = self._end = 0
        self.window = self._view
        return _CAME

    def fill(self, place: memoryview, skip_bytes: int = 0) -> bool:
        """Let the payload that is `Coming` go to ``place``; call it before the next event.

        Args:
            place: Of one dimension, of bytes; it has room for all but ``skip_bytes``.
            skip_bytes: Of the payload's beginning, not more than its peek.

        Returns:
            Whether all of it was here already: then there will be no `Came`.
        """
        offered = self._offered
        if offered is None or place.nbytes != offered - skip_bytes:
            raise ValueError(f"{place.nbytes} bytes for a payload of {offered}")
        self._offered = None
        start = self._start + skip_bytes
        here = min(self._end - start, place.nbytes)
        place[:here] = self._view[start : start + here]
        self._start = start + here
        if here == place.nbytes:
            return True
        self.window = place[here:]
        self.filling = True
        return False

    def next_event(self) -> Event | None:
        """Return what else has come; None: more bytes are needed.

        Raises:
            MqttPacketError: It is no MQTT, or nothing that was asked for.
        """
        if self.filling:
            return None
        if self._offered is not None:  # nobody wanted it
            self._passing, self._offered = self._offered, None
        while True:
            if self._passing:
                passed = min(self._end - self._start, self._passing)
                self._start += passed
                self._passing -= passed
                if self._passing:
                    break
            here = self._end - self._start
            if self._message is not None:
                topic, size = self._message
                if here < size and here < PEEK_BYTES:
                    break
                self._message = None
                self._offered = size
                return Coming(topic, size, self._view[self._start : self._start + min(here, size)])
            if not here:
                break
            packet = self._packet()
            if packet is not None:
                return packet
            if self._message is None and not self._passing:
                break
        here = self._end - self._start
        if here and self._start:
            self._view[:here] = self._view[self._start : self._end]
        self._start, self._end = 0, here
        self.window = self._view[here:]
        return None

    def _packet(self) -> Packet | None:
        """Take the packet that begins where we are.

        A PUBLISH sets what follows: a message, or bytes to be passed over. None of these: more
        bytes are needed.
        """
        data = self._view[self._start : self._end]
        first = data[0]
        try:
            size, begins = fields.number(data, 1)
        except IndexError:
            return None
        ends = begins + size
        if first >> 4 == PUBLISH:
            if first & 0x06:
                raise MqttPacketError(f"a message of QoS {first >> 1 & 3}, which nobody asked for")
            self._publish(data, begins, ends)
            return None
        if ends > BUFFER_BYTES:
            raise MqttPacketError(f"a packet of kind {first >> 4} and {size} bytes")
        if len(data) < ends:
            return None
        self._start += ends
        return Packet(first >> 4, first & 0x0F, bytes(data[begins:ends]))

    def _publish(self, data: memoryview, begins: int, ends: int) -> None:
        """Take what stands before the payload of a PUBLISH, if it is here."""
        if ends < begins + 2:
            raise MqttPacketError("a PUBLISH that is cut off")
        here = len(data)
        if here < begins + 2:
            return
        topic_begins = begins + 2
        at = topic_ends = topic_begins + (data[begins] << 8 | data[begins + 1])
        if at > ends:
            raise MqttPacketError("a PUBLISH that is cut off")
        if at - topic_begins > LONGEST_TOPIC_BYTES:
            self._passing = ends
            return
        properties = 0
        if self._has_properties:
            if at < here and at < ends and not data[at]:
                at += 1  # there are none, as usual
            else:
                try:
                    properties, at = fields.number(data[: min(here, ends)], at)
                except IndexError:
                    if here < min(ends, at + 4):
                        return
                    raise MqttPacketError("a PUBLISH that is cut off") from None
        if at + properties > ends:
            raise MqttPacketError("a PUBLISH that is cut off")
        if here < at:
            return
        topic = _text(data[topic_begins:topic_ends])
        self._start += at
        self._passing = properties
        self._message = topic, ends - at - properties


def _text(data: memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        raise MqttPacketError("a topic that is no UTF-8") from None
