"""A blocking MQTT client for the doctor's questions: one socket, one thread, every answer awaited.

It can do what a session hides: speak one dialect and no other, break its connection so that its
will is sent, let the kernel delay its acknowledgements. The agent itself uses `wire.session`.

Client ids are never used twice and connections end without DISCONNECT, for rumqttd's sake: see
`paceline.demo.mqtt_hello`.
"""

import contextlib
import secrets
import socket
import ssl
import time
from collections import deque
from typing import Final

from wire.access import Access
from wire.broker_url import BrokerUrl
from wire.closing import Closing
from wire.errors import CodedError, MqttPacketError
from wire.mqtt import packets as mqtt_packets
from wire.mqtt.packets import LastWill, Message, Packet

ANSWER_SECONDS: Final = 5.0
HEAR_SECONDS: Final = 3.0
_BLOCK_BYTES: Final = 256 << 10


class NoAnswerError(CodedError):
    """A broker closed, or did not answer in time."""

    code = "broker.no_answer"
    exit_code = 6

    def __init__(self, what: str, how: str) -> None:
        super().__init__(what, how)
        self.what = what
        """What it should have answered."""
        self.how = how

    def __str__(self) -> str:
        return f"broker: {self.how} instead of answering {self.what}; look into its log"


class RefusedError(CodedError):
    """A broker answered, and refused."""

    code = "broker.answer_refused"
    exit_code = 8

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what = what
        self.reason = reason

    def __str__(self) -> str:
        return f"broker: it refuses {self.what} ({self.reason}); look into its log"


class BrokerClient(Closing):
    """A connection that a broker has accepted; a context manager.

    Args:
        url: Where the broker is; no WebSocket.
        dialect: ``5`` or ``3.1.1``.
        access: Who we are.
        name: What the client id begins with; a random end makes it the only one.
        will: What the broker says when the connection breaks.

    Raises:
        OSError: No connection, or no TLS.
        NoAnswerError: It was closed, or nothing came, instead of CONNACK.
        RefusedError: The broker will not have us.
        MqttPacketError: It is no broker.
    """

    def __init__(
        self, url: BrokerUrl, dialect: str, access: Access, name: str, will: LastWill | None = None
    ) -> None:
        self.dialect = dialect
        self._messages: deque[Message] = deque()
        self._packets: deque[Packet] = deque()
        self._reader = mqtt_packets.Reader()
        self._next_id = 0
        self._socket = opened(url, access)
        try:
            hello = mqtt_packets.connect(
                dialect,
                f"{name}:{secrets.token_hex(4)}",
                username=access.username,
                password=access.password(),
                will=will,
            )
            self._send(hello, "CONNECT")
            self.told_packet_bytes = self._accepted()
        except BaseException:
            self.close()
            raise

    def subscribe(self, topic: str, *, qos: int = 1) -> None:
        """Subscribe to one filter.

        Raises:
            NoAnswerError: No SUBACK came.
            RefusedError: The broker says no.
        """
        self._send(mqtt_packets.subscribe(self.dialect, topic, self._id(), qos=qos), "SUBSCRIBE")
        answer = self._await(mqtt_packets.SUBACK, "SUBSCRIBE", ANSWER_SECONDS)
        self._check(answer, "SUBSCRIBE")

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, seconds: float = ANSWER_SECONDS
    ) -> None:
        """Publish with QoS 1, and wait for the acknowledgement.

        Raises:
            NoAnswerError: No PUBACK came in ``seconds``.
            RefusedError: The broker says that it did not take it.
        """
        self._socket.settimeout(seconds)
        packet = mqtt_packets.publish(self.dialect, topic, payload, self._id(), retain=retain)
        self._send(packet, "PUBLISH")
        answer = self._await(mqtt_packets.PUBACK, "PUBLISH", seconds)
        self._check(answer, "PUBLISH")

    def hear(self, seconds: float = HEAR_SECONDS) -> Message | None:
        """Return the next message; None: none came in time.

        Raises:
            NoAnswerError: The connection is gone.
        """
        ends = time.monotonic() + seconds
        while not self._messages:
            left = ends - time.monotonic()
            if left <= 0 or not self._receive(left, "messages"):
                break
        return self._messages.popleft() if self._messages else None

    def delay_acknowledgements(self) -> None:
        """Let the kernel delay TCP's acknowledgements, as it does for most clients."""
        with contextlib.suppress(OSError, AttributeError):  # not everywhere
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)

    def close(self) -> None:
        """Break the connection: a will is sent. Closing twice is harmless."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accepted(self) -> int | None:
        """Return the packet limit that an accepting CONNACK tells; None: it tells none."""
        answer = self._await(mqtt_packets.CONNACK, "CONNECT", ANSWER_SECONDS)
        refusal = mqtt_packets.refusal(self.dialect, answer.body)
        if refusal is not None:
            raise RefusedError("CONNECT", refusal)
        return mqtt_packets.told_packet_bytes(self.dialect, answer.body)

    def _id(self) -> int:
        self._next_id = self._next_id % 0xFFFF + 1
        return self._next_id

    def _check(self, answer: Packet, what: str) -> None:
        code = mqtt_packets.reason_code(self.dialect, answer)
        # 0x10: nobody is subscribed, which is no refusal
        if code >= 0x80:
            raise RefusedError(what, mqtt_packets.reason(code))

    def _send(self, packet: bytes, what: str) -> None:
        try:
            self._socket.sendall(packet)
        except OSError as error:
            # why it closed may be waiting to be read
            with contextlib.suppress(NoAnswerError):
                self._receive(0.5, what)
            raise NoAnswerError(what, f"it closed the connection ({error})") from error

    def _await(self, kind: int, what: str, seconds: float) -> Packet:
        ends = time.monotonic() + seconds
        while not self._packets:
            left = ends - time.monotonic()
            if left <= 0 or not self._receive(left, what):
                raise NoAnswerError(what, f"it said nothing for {seconds:g} s")
        packet = self._packets.popleft()
        if packet.kind != kind:
            raise MqttPacketError(f"a packet of kind {packet.kind} after {what}")
        return packet

    def _receive(self, seconds: float, what: str) -> bool:
        """Take what comes; return whether something came in time.

        Raises:
            NoAnswerError: The connection is gone.
            RefusedError: The broker says why it closes.
        """
        self._socket.settimeout(max(seconds, 0.001))
        try:
            data = self._socket.recv(_BLOCK_BYTES)
        except TimeoutError:
            return False
        except OSError as error:
            raise NoAnswerError(what, f"it closed the connection ({error})") from error
        if not data:
            raise NoAnswerError(what, "it closed the connection")
        for packet in self._reader.feed(data):
            self._take(packet, what)
        return True

    def _take(self, packet: Packet, what: str) -> None:
        if packet.kind == mqtt_packets.PUBLISH:
            heard = mqtt_packets.message(self.dialect, packet)
            if heard.qos:
                with contextlib.suppress(OSError):
                    self._socket.sendall(mqtt_packets.acknowledge(heard.packet_id))
            self._messages.append(heard)
        elif packet.kind == mqtt_packets.DISCONNECT:
            code = mqtt_packets.reason_code(self.dialect, packet)
            raise RefusedError(what, mqtt_packets.reason(code))
        else:
            self._packets.append(packet)


def opened(url: BrokerUrl, access: Access) -> socket.socket:
    """Return a connection to a broker's port, with TLS where the URL wants it.

    Raises:
        OSError: There is none; `ssl.SSLError` is one.
        AccessFileError: A certificate's file cannot be used.
    """
    context = access.tls_context() if url.tls else None
    plain = socket.create_connection((url.host, url.port), ANSWER_SECONDS)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(plain, server_hostname=url.host) if context else plain
    except (OSError, ssl.CertificateError):
        plain.close()
        raise
