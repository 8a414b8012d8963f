"""One MQTT connection for frames, on a blocking socket: from CONNECT to its end.

One thread calls `run` and waits for the end; one reads, or two by turns (`wire.reading`), and any
may publish. What is said to the broker from within the reading thread never waits: see
`wire.mqtt.outflow`.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from wire.access import Access
from wire.attempts import WRONG_DIALECT
from wire.broker_url import BrokerUrl
from wire.buffers import Buffer
from wire.byte_stream import SEND_SECONDS, ByteStream
from wire.mqtt import packets
from wire.mqtt.fields import MAX_SIZE
from wire.mqtt.inflow import Coming, Event, Inflow
from wire.mqtt.keepalive import LOOK_RATIO, Due, KeepAlive
from wire.mqtt.outflow import Outflow
from wire.mqtt.packets import Packet
from wire.reading import Readers, Work
from wire.stream_errors import StreamClosedError, StreamStalledError

CONNECT_SECONDS: Final = 5.0
TOGETHER_BYTES: Final = 512 << 10
"""Messages that leave together are not much larger in all."""


class Receiver(Protocol):
    """Whoever gets the messages of one topic, in the thread that reads; raises nothing."""

    def place(self, coming: Coming) -> tuple[memoryview, int] | Work | None:
        """Return where a message's payload goes, and how much of its beginning does not.

        None: it is passed over; so is one that was taken from its peek, which is all of it. What
        there is to do about that one may be returned if there are several ``readers``.
        """
        ...

    def full(self) -> Work | None:
        """Take the message, as ``place`` may: the place that was returned last is full."""
        ...

    def prepare(self) -> None:
        """Do what would otherwise be done when the next message comes."""
        ...


class Wishes(NamedTuple):
    """What a connection is for."""

    client_id: str
    receivers: Mapping[str, Receiver]
    """By the topics that are subscribed to; ``up`` waits for all of them."""
    keepalive_seconds: float
    receive_bytes: int
    """The largest packet that we take."""
    up: Callable[[], None]
    """Called when every subscription is acknowledged."""
    looked: Callable[[], None] = lambda: None
    """Called every so often, also while nothing comes."""
    works: bool = False
    """Whether receivers return work where they may."""


class MqttConnection:
    """A connection that `run` makes; ``up`` and the receivers are called in the reading thread."""

    def __init__(self, url: BrokerUrl, dialect: str, access: Access, wishes: Wishes) -> None:
        self.max_packet_bytes: int | None = None
        """MQTT 5 MaximumPacketSize, when the broker tells it; None is not 'no limit'."""
        self.refusal: str | None = None
        """Why the broker will not have us, or one of our subscriptions."""
        self.answered = False
        """Whether CONNACK came."""
        self.silent = False
        """Whether we ended it since nothing came."""
        self.taken_over = False
        """Whether another client took our id."""
        self._url = url
        self._dialect = dialect
        self._access = access
        self._wishes = wishes
        self._reader: int | None = None
        """The thread that reads now; none while what was read is worked at and nobody has begun."""
        self._receiver: Receiver | None = None
        """Whose payload comes."""
        self._leaving = False
        self._stream: ByteStream | None = None
        self._outflow: Outflow | None = None
        self._inflow = Inflow(dialect)
        self._keepalive = KeepAlive(wishes.keepalive_seconds, time.monotonic())
        self._unacknowledged: set[int] = set()
        self.readers = Readers(f"mqtt {wishes.client_id}")
        """Of what comes; whether receivers may return work is theirs to say."""
        self._ended: Exception | None = None
        self._began = time.monotonic()
        self._up = False
        self._look_at = 0.0
        self._heard = False

    @property
    def read_here(self) -> bool:
        """Whether this is the reading thread, such as in a receiver."""
        return threading.get_ident() == self._reader

    def run(self) -> None:
        """Connect, and read until the connection has ended.

        Raises:
            OSError: No connection, or no TLS.
            AccessFileError: A file of ours cannot be used.
            MqttPacketError: The other side speaks no MQTT.
        """
        password = self._access.password()
        stream = self._stream = self._opened()
        outflow = self._outflow = Outflow(stream)
        hello = packets.connect(
            self._dialect,
            self._wishes.client_id,
            username=self._access.username,
            password=password,
            keepalive_seconds=min(max(1, int(self._keepalive.seconds)), 0xFFFF),
            receive_bytes=min(self._wishes.receive_bytes, MAX_SIZE),
        )
        with contextlib.closing(stream), contextlib.suppress(StreamClosedError, StreamStalledError):
            if self._leaving:
                return
            outflow.send_soon([hello])
            self.readers.start(self._until_work, works=self._wishes.works)
            self.readers.over.wait()
            raise self._end()

    def publish(self, topic: str, payload: Sequence[Buffer], payload_bytes: int) -> None:
        """Send a message with QoS 0; the buffers may be reused when this returns.

        Raises:
            StreamClosedError: The connection has ended.
            StreamStalledError: The broker took nothing in time, so it has now.
            StreamFullError: From the reading thread: too much waits already.
        """
        outflow = self._outflow
        assert outflow is not None  # it is up
        packet = [packets.publish_front(self._dialect, topic, payload_bytes), *payload]
        if threading.get_ident() == self._reader:
            outflow.send_soon(packet)
        else:
            outflow.send(packet)

    def publish_each(self, topic: str, payloads: Iterable[Sequence[Buffer]]) -> None:
        """Send a message for each payload, small ones together; as ``publish``.

        In between there is room for what the reading thread has to say.
        """
        together: list[Buffer] = []
        together_bytes = 0
        for payload in payloads:
            size = sum(memoryview(buffer).nbytes for buffer in payload)
            together += (packets.publish_front(self._dialect, topic, size), *payload)
            together_bytes += size
            if together_bytes >= TOGETHER_BYTES:
                self._send(together)
                together, together_bytes = [], 0
        if together:
            self._send(together)

    def leave(self) -> None:
        """Tell the broker that we go, behind all that was sent; its closing ends ``run``."""
        self._leaving = True
        stream = self._stream
        if stream is None:
            return  # `run` will see it
        if not self._up:
            stream.close()
            return
        with contextlib.suppress(StreamClosedError, StreamStalledError):
            self._send([packets.GOODBYE])

    def abort(self) -> None:
        """End it now; ``run`` returns soon."""
        self._leaving = True
        if self._stream is not None:
            self._stream.close()

    def _opened(self) -> ByteStream:
        context = self._access.tls_context() if self._url.tls else None
        sock = socket.create_connection((self._url.host, self._url.port), CONNECT_SECONDS)
        try:
            if context is not None:
                sock = context.wrap_socket(sock, server_hostname=self._url.host)
            return ByteStream(
                sock,
                str(self._url),
                send_seconds=min(SEND_SECONDS, self._keepalive.seconds),
                quiet_seconds=LOOK_RATIO * self._keepalive.seconds,
                on_quiet=self._look,
            )
        except BaseException:
            sock.close()
            raise

    def _end(self) -> Exception:
        """Return what ended it, which is not kept: its traceback leads back to this connection."""
        error, self._ended = self._ended, None
        assert error is not None
        if isinstance(error.__cause__, ssl.SSLError) and not self.answered:
            return error.__cause__  # such as: it wants a certificate of ours
        return error

    def _send(self, packet: Sequence[Buffer]) -> None:
        outflow = self._outflow
        assert outflow is not None  # it is up
        if threading.get_ident() == self._reader:
            outflow.send_soon(packet)
        else:
            outflow.send(packet)

    def _until_work(self) -> Work | None:
        """Read until there is something to do, or the connection has ended: None."""
        stream, outflow = self._stream, self._outflow
        assert stream is not None
        assert outflow is not None
        self._reader = threading.get_ident()
        try:
            return self._read(stream, outflow)
        except Exception as error:  # noqa: BLE001 `run` raises it
            self._ended = error
            return None
        finally:
            self._reader = None

    def _read(self, stream: ByteStream, outflow: Outflow) -> Work:
        inflow = self._inflow
        event = inflow.next_event()  # what had come when there was something to do
        if event is None and self._receiver is not None:
            self._receiver.prepare()
        while True:
            while event is not None:
                work = self._on(event, stream)
                if work is not None:
                    return work
                event = None if inflow.filling else inflow.next_event()
            if time.monotonic() >= self._look_at:
                self._look()
            if outflow.left:
                self._push(stream, outflow)
            event = inflow.took(stream.recv_some(inflow.window, fill=inflow.filling))
            self._heard = True

    def _on(self, event: Event, stream: ByteStream) -> Work | None:
        if isinstance(event, Packet):
            self._take(event, stream)
        elif isinstance(event, Coming):
            receiver = None if self._leaving else self._wishes.receivers.get(event.topic)
            self._receiver = receiver
            if receiver is None:
                return None
            place = receiver.place(event)
            if not isinstance(place, tuple):
                return place
            if self._inflow.fill(*place):
                return receiver.full()
        elif self._receiver is not None:
            return self._receiver.full()
        return None

    def _push(self, stream: ByteStream, outflow: Outflow) -> None:
        """Send what was left whenever there is room, until something comes.

        Where nothing can be sent any more, what came before is read: it may say why.
        """
        with contextlib.suppress(StreamClosedError):
            while outflow.left and not outflow.push() and not stream.wait():
                pass

    def _take(self, packet: Packet, stream: ByteStream) -> None:
        match packet.kind:
            case packets.CONNACK:
                self._accepted(packet.body, stream)
            case packets.SUBACK:
                self._subscribed(packet)
            case packets.DISCONNECT:
                code = packets.reason_code(self._dialect, packet)
                self.taken_over = code == packets.TAKEN_OVER
                raise StreamClosedError(stream.peer, packets.reason(code))

    def _accepted(self, body: bytes, stream: ByteStream) -> None:
        self.answered = True
        refusal = packets.refusal(self._dialect, body)
        if refusal is not None:
            wrong = packets.is_wrong_dialect(self._dialect, body)
            self._refuse(WRONG_DIALECT if wrong else refusal)
        self.max_packet_bytes = packets.told_packet_bytes(self._dialect, body)
        seconds = packets.told_keepalive_seconds(self._dialect, body)
        if seconds:
            self._keepalive.seconds = seconds
            stream.set_quiet(LOOK_RATIO * seconds)
        for number, topic in enumerate(self._wishes.receivers, start=1):
            self._unacknowledged.add(number)
            self._send([packets.subscribe(self._dialect, topic, number, qos=0)])
        self._rise()

    def _subscribed(self, packet: Packet) -> None:
        code = packets.reason_code(self._dialect, packet)
        if code >= 0x80:
            self._refuse(f"a subscription was refused ({packets.reason(code)})")
        self._unacknowledged.discard(int.from_bytes(packet.body[:2], "big"))
        self._rise()

    def _rise(self) -> None:
        if self._up or self._unacknowledged:
            return
        self._up = True
        if self._leaving:
            raise StreamClosedError(str(self._url), "closed here")
        self._wishes.up()

    def _refuse(self, reason: str) -> None:
        self.refusal = reason
        raise StreamClosedError(str(self._url), reason)

    def _look(self) -> None:
        """Ping when it is time, and give up a broker that says nothing."""
        self._wishes.looked()
        now = time.monotonic()
        self._look_at = now + LOOK_RATIO * self._keepalive.seconds
        due = self._keepalive.due(now, heard=self._heard)
        self._heard = False
        if not self._up:
            due = Due.NOTHING if now - self._began < self._keepalive.seconds else Due.GIVE_UP
        match due:
            case Due.PING if not self._leaving:
                with contextlib.suppress(StreamClosedError):  # as in `_push`
                    self._send([packets.PING])
            case Due.GIVE_UP:
                self.silent = True
                raise StreamStalledError(str(self._url), self._keepalive.seconds)
