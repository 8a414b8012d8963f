"""The demo's brokers, each as a real process with real clients."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho
import psutil
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from paceline.demo import broker_kinds
from paceline.demo.broker import Broker
from paceline.demo.errors import BrokerFailedError, NoBrokerError
from wire import broker_url

DIALECTS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
LARGE = bytes(range(256)) * (8 << 10)
"""2 MiB."""


def installed(name):
    """Return a test parameter for a broker, skipped with a reason where it is not installed."""
    try:
        broker_kinds.find(name)
    except NoBrokerError as error:
        return pytest.param(name, marks=pytest.mark.skip(reason=str(error)))
    return pytest.param(name)


BROKERS = [installed(name) for name in (broker_kinds.MOSQUITTO, broker_kinds.RUMQTTD)]


@pytest.fixture(params=BROKERS)
def broker(request, tmp_path, monkeypatch):
    """A running broker; its temporary files go into the test's folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Broker(request.param) as started:
        yield started


def connected(url, on_message=None, topic=None):
    """Return a connected client whose loop runs; each connection subscribes to ``topic``."""
    address = broker_url.parse(url)
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=DIALECTS[address.protocol])
    up = threading.Event()

    def connect(*_):
        if topic:
            client.subscribe(topic, qos=1)
        up.set()

    client.on_connect, client.on_message = connect, on_message
    client.connect(address.host, address.port)
    client.loop_start()
    assert up.wait(60)
    return client


def ended(client):
    """Disconnect and stop the loop."""
    client.disconnect()
    client.loop_stop()


def retained(url, topic):
    """Return the message that a new subscriber gets at once."""
    got, here = [], threading.Event()

    def heard(_client, _data, message):
        got.append((message.retain, message.payload))
        here.set()

    client = connected(url, heard, topic)
    here.wait(60)
    ended(client)
    return got


def publish(url, topic, payload):
    """Publish a retained message and wait for its acknowledgement."""
    client = connected(url)
    client.publish(topic, payload, qos=1, retain=True).wait_for_publish(60)
    ended(client)


def gone(pid):
    """Whether a process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def until(holds, seconds=30.0):
    """Wait until something holds; return whether it does."""
    ends = time.monotonic() + seconds
    while not holds() and time.monotonic() < ends:
        time.sleep(0.01)
    return holds()


def test_it_says_what_it_is(broker):
    """Name with version, process, and addresses on loopback."""
    assert broker.name.split()[0] in {"mosquitto", "rumqttd"}
    assert any(letter.isdigit() for letter in broker.name)
    assert psutil.pid_exists(broker.pid)
    assert broker.running
    assert {broker_url.parse(url).host for url in broker.urls.values()} == {"127.0.0.1"}
    assert broker.url == broker.urls["5"].removesuffix("?protocol=5")


def test_it_listens_on_loopback_alone(broker):
    """Without users and passwords nobody else may reach it."""
    listening = [
        connection.laddr
        for connection in psutil.Process(broker.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]

    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} == {
        broker_url.parse(url).port for url in broker.urls.values()
    }


def test_it_keeps_the_memory_of_large_packets(broker):
    """Else each of them is given back to the kernel and taken again."""
    environment = psutil.Process(broker.pid).environ()

    assert {name: environment.get(name) for name in broker_kinds.HEAP} == broker_kinds.HEAP


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("payload", [b"on", LARGE], ids=["small", "2MiB"])
def test_a_retained_message_reaches_who_comes_later(broker, dialect, payload):
    """Small and larger than most brokers' defaults, in both dialects."""
    publish(broker.urls[dialect], "room/lamp", payload)

    assert retained(broker.urls[dialect], "room/lamp") == [(True, payload)]


def test_a_restart_keeps_the_address(broker):
    """Clients find it again; what it held in memory is gone."""
    before, pid = (broker.url, broker.urls), broker.pid

    broker.restart()
    publish(broker.urls["5"], "room/lamp", b"on")

    assert (broker.url, broker.urls) == before
    assert gone(pid)
    assert retained(broker.urls["5"], "room/lamp") == [(True, b"on")]


def test_it_comes_back_after_a_crash(broker):
    """A killed broker is started again on the same ports by `start`."""
    before = broker.url
    os.kill(broker.pid, signal.SIGKILL)
    assert until(lambda: not broker.running)

    broker.start()
    publish(broker.urls["3.1.1"], "room/lamp", b"on")

    assert broker.url == before


def test_nothing_is_left_behind(broker, tmp_path):
    """Process gone, folder gone; stopping twice is harmless."""
    pid, files = broker.pid, list(tmp_path.iterdir())

    broker.stop()
    broker.stop()

    assert len(files) == 1
    assert list(tmp_path.iterdir()) == []
    assert gone(pid)
    assert (broker.pid, broker.running) == (None, False)


def test_a_taken_port_is_an_error_that_says_so(broker):
    """Somebody else has the port when it shall come back."""
    address = broker_url.parse(broker.url)
    broker.stop()
    with (
        socket.create_server(("127.0.0.1", address.port)),
        pytest.raises(BrokerFailedError) as caught,
    ):
        broker.start()

    assert caught.value.exit_code == 6
    assert broker.pid is None


@pytest.mark.parametrize("name", BROKERS)
def test_it_dies_with_its_parent(name, tmp_path):
    """Kill -9 of whoever started it ends the broker."""
    program = (
        "import time\n"
        "from paceline.demo.broker import Broker\n"
        f"broker = Broker({name!r}); broker.start()\n"
        "print(broker.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        pid = int(parent.stdout.readline())
        assert not gone(pid)

        parent.kill()

        assert until(lambda: gone(pid))
        assert [Path(folder).name[:16] for folder in tmp_path.iterdir()] == ["paceline-broker-"]
