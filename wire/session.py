"""A session with a broker over paho-mqtt: connect, dialect, will, retained, reconnect.

One thread keeps one connection alive. Each connection is a fresh paho client: clean start, its own
will (the will's session number grows with every connection), every subscription made again. So
nothing depends on what the broker kept for us, and brokers that close silently on the dialect they
do not speak get the other one at the next attempt.

This file and `wire/links/paho.py` are the only ones that know paho.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from wire.access import Access
from wire.attempts import Trouble
from wire.broker_url import BrokerUrl
from wire.errors import CodedError, LinkDownError
from wire.keeper import Keeper
from wire.tcp_options import acknowledge_quickly, without_delay

__all__ = ["Access", "Events", "Handler", "Session", "Will"]

Handler = Callable[[str, bytes], None]
"""Called with topic and payload in the session's reader thread; must not block."""

CONNECT_SECONDS: Final = 5.0
_TAKEN_OVER: Final = 0x8E
"""MQTT 5's reason of a DISCONNECT: another client connected with our id."""

_PROTOCOLS: Final = {
    "5": MQTTProtocolVersion.MQTTv5,
    "3.1.1": MQTTProtocolVersion.MQTTv311,
}


class Will(NamedTuple):
    """What the broker shall say when the connection breaks."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True, slots=True)
class Events:
    """What a session tells its owner, in its own threads; none of these may block."""

    up: Callable[[int], None] = lambda _: None
    """A connection (its number, from 1) stands and every subscription is acknowledged."""
    down: Callable[[], None] = lambda: None
    """A connection that was up is gone."""
    taken_over: Callable[[], None] = lambda: None
    """Another client took our id: the broker says so, as those of MQTT 5 may, or it ends one
    connection after the other soon after it was made."""
    problem: Callable[[Trouble], None] = lambda _: None
    """No connection comes about, and why: told when that begins and when the reason changes. The
    session goes on trying; ``up`` is the end of it."""
    fault: Callable[[Exception], None] = lambda _: None
    """A handler raised this; the session goes on."""


class _Subscription(NamedTuple):
    qos: int
    handler: Handler


class Session:
    """One client's session with a broker.

    Args:
        url: Where the broker is.
        client_id: As architecture.md names them.
        access: Credentials.
        will: Called with the number of each connection (from 1) before it is made.
        events: Whom to tell.
        keepalive_seconds: MQTT's keep-alive.
        receive_bytes: The largest packet to be sent to us, which brokers of MQTT 5 obey; None:
            any.
    """

    def __init__(
        self,
        url: BrokerUrl,
        client_id: str,
        *,
        access: Access | None = None,
        will: Callable[[int], Will | None] = lambda _: None,
        events: Events | None = None,
        keepalive_seconds: float = 30.0,
        receive_bytes: int | None = None,
    ) -> None:
        self.url = url
        self.client_id = client_id
        self.max_packet_bytes: int | None = None
        """MQTT 5 MaximumPacketSize, when the broker tells it; None is not 'no limit'."""
        self._access = access or Access()
        self._will = will
        self._events = events or Events()
        self._keepalive_seconds = keepalive_seconds
        self._receive_bytes = receive_bytes
        self._subscriptions: dict[str, _Subscription] = {}
        self._wildcards: dict[str, list[str]] = {}
        """Levels of those filters that are no plain topic."""
        self._lock = threading.Lock()
        self._client: paho.Client | None = None
        self._unacknowledged: set[int] = set()
        self._closed = threading.Event()
        self._refusal: str | None = None
        self._answered = False
        self._silent = False
        self._keeper = Keeper(
            url,
            f"session {client_id}",
            self._one_connection,
            lambda trouble: self._guarded(lambda: self._events.problem(trouble)),
            lambda: self._guarded(self._events.taken_over),
        )

    @property
    def dialect(self) -> str:
        """The version of MQTT that is spoken, or tried next."""
        return self._keeper.attempts.dialect

    @property
    def up(self) -> bool:
        """Whether the session is connected and every subscription acknowledged."""
        return self._keeper.up.is_set()

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._keeper.start()

    def wait_up(self, timeout_seconds: float) -> None:
        """Wait until the session is up.

        Raises:
            BrokerUnreachableError: It is not, after ``timeout_seconds``.
            BrokerRefusedError: The broker answered and refused.
            AccessFileError: A file of ours cannot be used.
        """
        self._keeper.wait_up(timeout_seconds)

    def subscribe(self, topic_filter: str, qos: int, handler: Handler) -> None:
        """Subscribe now and after every reconnect."""
        with self._lock:
            self._subscriptions[topic_filter] = _Subscription(qos, handler)
            if "+" in topic_filter or "#" in topic_filter:
                self._wildcards[topic_filter] = topic_filter.split("/")
            client = self._client
            if client is not None and client.is_connected():
                self._ask(client, topic_filter, qos)

    def unsubscribe(self, topic_filter: str) -> None:
        """Forget a subscription."""
        with self._lock:
            self._subscriptions.pop(topic_filter, None)
            self._wildcards.pop(topic_filter, None)
            if self._client is not None:
                self._client.unsubscribe(topic_filter)

    def publish(
        self,
        topic: str,
        payload: bytes,
        qos: int = 0,
        *,
        retain: bool = False,
        confirm_seconds: float | None = None,
    ) -> None:
        """Hand a message to the connection.

        Args:
            topic: Where to.
            payload: Its bytes.
            qos: 0 or 1.
            retain: Whether the broker keeps it.
            confirm_seconds: Wait so long for the broker's acknowledgement (QoS 1), or until the
                bytes are written (QoS 0); None returns at once.

        Raises:
            LinkDownError: Not connected, or not confirmed in time.
        """
        client = self._client
        if client is None or not self.up:
            raise LinkDownError(str(self.url))
        info = client.publish(topic, payload, qos, retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise LinkDownError(str(self.url))
        if confirm_seconds is None:
            return
        try:
            info.wait_for_publish(confirm_seconds)
        except RuntimeError as error:
            raise LinkDownError(str(self.url)) from error
        if not info.is_published():
            raise LinkDownError(str(self.url))

    def stop(self) -> None:
        """Disconnect cleanly (no will is sent) and end the session's threads."""
        self._keeper.stopping.set()
        client = self._client
        if client is not None:
            client.disconnect()
        self._closed.set()
        self._keeper.join(CONNECT_SECONDS + 1)

    def contested(self) -> None:
        """Note that another client uses our id: the next connection is not made soon."""
        self._keeper.contested = True

    def reconnect(self) -> None:
        """End this connection cleanly; another follows, with a will of its own."""
        client = self._client
        if client is not None:
            client.disconnect()

    def _one_connection(self, connection: int) -> float | None:
        """Make one connection and wait for its end.

        Returns how many seconds it lasted; None: it never was up.
        """
        self._closed.clear()
        self._refusal = None
        self._answered = self._silent = False
        began = time.monotonic()
        try:
            client = self._new_client(connection)
            with self._lock:
                self._client = client
                self._unacknowledged.clear()
            self._connect(client)
            client.loop_start()
        except Exception as error:  # noqa: BLE001 whatever it is, this thread goes on and says so
            self._keeper.not_made(error)
            return None
        while not self._closed.wait(1.0):
            if self._keeper.stopping.is_set():
                client.disconnect()
                break
        client.loop_stop()
        was_up = self.up
        self._keeper.up.clear()
        with self._lock:
            self._client = None
        if was_up:
            self._guarded(self._events.down)
        elif not self._keeper.stopping.is_set():
            silent_seconds = self._keepalive_seconds if self._silent else None
            ended = self._keeper.attempts.ended
            self._keeper.tell(ended(self._refusal, self._answered, silent_seconds))
        return time.monotonic() - began if was_up else None

    def _connect(self, client: paho.Client) -> None:
        properties = None
        if self._receive_bytes is not None and self.dialect == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = self._receive_bytes
        seconds = int(self._keepalive_seconds) or 1
        client.connect(self.url.host, self.url.port, seconds, properties=properties)

    def _new_client(self, connection: int) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            protocol=_PROTOCOLS[self.dialect],
            transport="websockets" if self.url.websocket else "tcp",
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_SECONDS
        client.max_inflight_messages_set(100)
        client.on_socket_open = lambda _client, _userdata, sock: without_delay(sock)
        client.on_connect = lambda c, _u, _f, code, properties: self._connected(
            c, connection, code, properties
        )
        client.on_subscribe = lambda _c, _u, mid, codes, _p: self._subscribed(
            connection, mid, codes
        )
        client.on_disconnect = lambda _c, _u, _flags, code, _p: self._disconnected(code)
        client.on_message = lambda _c, _u, message: self._received(message)
        # what the broker says next to us waits for our acknowledgement of its acknowledgement
        client.on_publish = lambda *_: self._acknowledge_quickly()
        if self.url.websocket:
            client.ws_set_options(path=self.url.path or "/mqtt")
        self._give_credentials(client)
        will = self._will(connection)
        if will is not None:
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        return client

    def _give_credentials(self, client: paho.Client) -> None:
        if self._access.username is not None:
            client.username_pw_set(self._access.username, self._access.password())
        if self.url.tls:
            client.tls_set_context(self._access.tls_context())

    def _connected(
        self, client: paho.Client, connection: int, code: ReasonCode, properties: Any
    ) -> None:
        self._answered = True
        if code.is_failure:
            self._refuse(str(code))
            return
        self.max_packet_bytes = getattr(properties, "MaximumPacketSize", None)
        with self._lock:
            for topic_filter, subscription in self._subscriptions.items():
                self._ask(client, topic_filter, subscription.qos)
            waiting = bool(self._unacknowledged)
        if not waiting:
            self._rise(connection)

    def _disconnected(self, code: ReasonCode) -> None:
        self._silent = str(code) == "Keep alive timeout"
        if code.value == _TAKEN_OVER:
            self._keeper.contested = True
            self._guarded(self._events.taken_over)
        self._closed.set()

    def _refuse(self, reason: str) -> None:
        self._refusal = reason
        self._closed.set()

    def _ask(self, client: paho.Client, topic_filter: str, qos: int) -> None:
        code, mid = client.subscribe(topic_filter, qos)
        if code == MQTTErrorCode.MQTT_ERR_SUCCESS and mid is not None:
            self._unacknowledged.add(mid)

    def _subscribed(self, connection: int, mid: int, codes: list[ReasonCode]) -> None:
        self._acknowledge_quickly()  # the next one waits for it
        refused = [str(code) for code in codes if code.is_failure]
        if refused:
            self._refuse(f"a subscription was refused ({', '.join(refused)})")
            return
        with self._lock:
            self._unacknowledged.discard(mid)
            waiting = bool(self._unacknowledged)
        if not waiting and not self.up:
            self._rise(connection)

    def _acknowledge_quickly(self) -> None:
        client = self._client
        acknowledge_quickly(client.socket() if client is not None else None)

    def _rise(self, connection: int) -> None:
        self._keeper.attempts.recovered()
        self._keeper.up.set()
        self._guarded(lambda: self._events.up(connection))

    def _received(self, message: paho.MQTTMessage) -> None:
        self._acknowledge_quickly()
        topic = message.topic
        subscription = self._subscriptions.get(topic) or self._wildcard_of(topic)
        if subscription is not None:
            self._guarded(lambda: subscription.handler(topic, bytes(message.payload)))

    def _wildcard_of(self, topic: str) -> _Subscription | None:
        parts = topic.split("/")
        for topic_filter, levels in list(self._wildcards.items()):
            if _covers(levels, parts):
                return self._subscriptions.get(topic_filter)
        return None

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except CodedError as error:
            self._events.fault(error)
        except Exception as error:  # noqa: BLE001 an exception here would end paho's thread
            self._events.fault(error)


def _covers(levels: list[str], parts: list[str]) -> bool:
    """Whether a filter covers a topic; both by their levels."""
    for level, part in zip_longest(levels, parts):
        if level == "#":
            return True
        if part is None or level not in {"+", part}:
            return False
    return True
