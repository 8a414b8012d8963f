"""A connection that has ended; what it does before that: `tests.unit.wire.links.test_mqtt`."""

import contextlib
import gc
import weakref

import pytest

from tests.unit.wire.links.scripted_broker import ScriptedBroker
from wire import broker_url
from wire.access import Access
from wire.errors import MqttPacketError
from wire.mqtt.connection import MqttConnection, Wishes

REFUSED = b"\x20\x03\x00\x87\x00"
NO_MQTT = b"HTTP/1.1 400 Bad Request\r\n\r\n"
KEEPALIVE_SECONDS = 0.2
"""A broker that is silent for so long is given up."""


@pytest.fixture
def no_collection():
    """Garbage stays where it is."""
    gc.disable()
    yield
    gc.enable()


def hangs_up(_):
    """Close at once."""


def refuses(connection):
    """Answer that this client is not wanted."""
    connection.accept(topics=0, accepted=REFUSED)


def speaks_no_mqtt(connection):
    """Answer as a server for something else."""
    connection.accept(topics=0, accepted=NO_MQTT)


def serves(connection):
    """Accept, and go when the client says goodbye."""
    connection.accept(topics=0)
    connection.serve()


def is_silent(connection):
    """Take all, and say nothing."""
    while connection.next():
        pass


def left(port):
    """Return a reference to a connection that has been up, if it could, was left and has ended."""
    url = broker_url.parse(f"mqtt://127.0.0.1:{port}")
    held = []

    def leave():
        held[0].leave()

    wishes = Wishes("c", {}, KEEPALIVE_SECONDS, 1 << 20, up=leave, works=True)
    held.append(MqttConnection(url, "5", Access(), wishes))
    with contextlib.suppress(OSError, MqttPacketError):
        held[0].run()
    return weakref.ref(held.pop())


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("script", [hangs_up, refuses, speaks_no_mqtt, serves, is_silent])
def test_it_is_let_go_without_a_collection(script):
    """However it ended: a collection may not come for minutes, and its memory is large."""
    with ScriptedBroker(script) as broker:
        gone = left(broker.port)

    assert gone() is None


@pytest.mark.usefixtures("no_collection")
def test_one_that_nobody_answered_is_let_go_too():
    """There is a new one every few seconds while a broker is down."""
    with ScriptedBroker(hangs_up) as broker:
        pass

    assert left(broker.port)() is None
