"""A stock mosquitto holds a small packet back until the one before is acknowledged."""

import os
import socket
import threading
from dataclasses import dataclass, fields

import pytest

from paceline.demo import broker_kinds
from tests.system.conftest import start_broker
from tests.system.place import PATIENCE_SECONDS, free_port
from wire import broker_url
from wire.session import Events, Session

ROUNDS = 20


@dataclass(frozen=True, slots=True)
class StockKind(broker_kinds.Kind):
    """Mosquitto with its own default of TCP_NODELAY, and a second listener for WebSockets."""

    websocket_port: int = 0

    def config(self, ports, *, root):
        """Return the usual configuration, changed."""
        usual = broker_kinds.Kind.config(self, ports, root=root)
        assert "set_tcp_nodelay true\n" in usual
        more = f"listener {self.websocket_port} 127.0.0.1\nprotocol websockets\n"
        return usual.replace("set_tcp_nodelay true\n", "") + more


@pytest.fixture(scope="module")
def urls():
    """Addresses of a stock mosquitto, by scheme."""
    broker = start_broker(broker_kinds.MOSQUITTO)
    usual = {f.name: getattr(broker._kind, f.name) for f in fields(broker._kind)}
    broker._kind = StockKind(**usual, websocket_port=free_port())
    with broker:
        websocket = f"ws://127.0.0.1:{broker._kind.websocket_port}/mqtt"
        yield {"mqtt": broker.url, "ws": websocket}


@pytest.fixture
def session(urls, request):
    """A function that makes a session at the broker; those it made are stopped."""
    made = []

    def make(scheme, **options):
        url = broker_url.parse(urls[scheme])
        made.append(Session(url, f"{request.node.name[:20]}-{len(made)}", **options))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def option(session, name):
    """Return a TCP option of a session's real socket."""
    with socket.socket(fileno=os.dup(session._client.socket().fileno())) as tcp:
        return tcp.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))


@pytest.mark.parametrize("scheme", ["mqtt", "ws"])
def test_it_is_armed_again_at_each_message(session, scheme):
    """Our own answers make the kernel forget it, and every message finds it armed."""
    one, other = session(scheme), session(scheme)
    armed, answered = [], threading.Semaphore(0)

    def answer(topic, payload):
        armed.append(option(other, "TCP_QUICKACK"))
        other.publish("pong", payload)

    one.subscribe("pong", 0, lambda *_: answered.release())
    other.subscribe("ping", 0, answer)
    for each in (one, other):
        each.start()
        each.wait_up(PATIENCE_SECONDS)

    for _ in range(ROUNDS):
        one.publish("ping", b"x" * 100)
        assert answered.acquire(timeout=PATIENCE_SECONDS)

    assert armed == [1] * ROUNDS


@pytest.mark.parametrize("scheme", ["mqtt", "ws"])
def test_it_is_armed_at_each_subscription(session, scheme):
    """The broker's acknowledgement of the second waits for ours of the first."""
    armed, up = [], threading.Event()

    def risen(_):
        armed.append(option(made, "TCP_QUICKACK"))
        up.set()

    made = session(scheme, events=Events(up=risen))
    for topic in ("a", "b", "c"):
        made.subscribe(topic, 1, lambda *_: None)
    made.start()

    assert up.wait(PATIENCE_SECONDS)
    assert armed == [1]


@pytest.mark.parametrize("scheme", ["mqtt", "ws"])
def test_what_we_send_is_not_held_back(session, scheme):
    """TCP_NODELAY is set, also below a WebSocket."""
    made = session(scheme)
    made.start()
    made.wait_up(PATIENCE_SECONDS)

    assert option(made, "TCP_NODELAY") == 1


@pytest.mark.parametrize("scheme", ["mqtt", "ws"])
def test_it_is_armed_at_each_acknowledgement_of_ours(session, scheme):
    """What the broker says next to us waits for our acknowledgement of its acknowledgement."""
    made, armed = session(scheme), []
    made.start()
    made.wait_up(PATIENCE_SECONDS)

    for _ in range(ROUNDS):
        made.publish("ping", b"x" * 100, 1, confirm_seconds=PATIENCE_SECONDS)
        armed.append(option(made, "TCP_QUICKACK"))

    assert armed == [1] * ROUNDS
