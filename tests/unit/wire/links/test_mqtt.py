"""The frame link of our own against brokers that misbehave; against real ones: tests/contract."""

import queue
import select
import threading
import time
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest

from tests.unit.wire.links.scripted_broker import (
    ACCEPTED,
    PATIENCE_SECONDS,
    PING,
    ScriptedBroker,
)
from wire import broker_url, chunk, frame
from wire.errors import (
    BrokerRefusedError,
    BrokerUnreachableError,
    FrameError,
    LinkDownError,
    MqttPacketError,
    ReassemblyError,
)
from wire.frame import ALIGNMENT, Frame, Kind, Tensor
from wire.links import LinkOptions, mqtt
from wire.links.mqtt import MqttLink
from wire.mqtt import packets as mqtt_packets
from wire.reconnects import FIRST_CONTESTED_SECONDS

LARGE = 16 << 20
"""More than the sockets hold."""
LEFT_BEHIND = 7 << 20
"""As much, to a broker that does not read; the reader may leave it behind."""
OUR_ID_IS_TAKEN = b"\xe0\x02\x8e\x00"
"""A DISCONNECT of MQTT 5."""


class Told:
    """A link, and what it said."""

    def __init__(self, port, *addresses, receive=None, protocol="5", **options):
        self.problems, self.faults, self.ups = [], [], 0
        self.got = queue.Queue()
        self.link = MqttLink(
            LinkOptions(
                broker_url.parse(f"mqtt://127.0.0.1:{port}?protocol={protocol}"),
                "c",
                on_up=self._up,
                on_problem=self.problems.append,
                on_fault=self.faults.append,
                **options,
            )
        )
        for address in addresses:
            self.link.listen(address, receive or (lambda _, data: self.got.put(data)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()

    def _up(self):
        self.ups += 1

    def next(self):
        """Return the next frame."""
        return self.got.get(timeout=PATIENCE_SECONDS)


@contextmanager
def talking(script, *addresses, **options):
    """Give a scripted broker and a link to it, started."""
    with ScriptedBroker(script) as broker, Told(broker.port, *addresses, **options) as told:
        told.link.start(PATIENCE_SECONDS)
        yield broker, told


def until(claim):
    """Wait until ``claim()`` is true."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        assert time.monotonic() < ends
        time.sleep(0.01)


def encoded(size_bytes, sequence=1):
    """A frame's buffers."""
    payload = np.arange(size_bytes, dtype=np.uint8).data
    return frame.encode(Frame(Kind.DATA, 1, sequence, tensors=(Tensor("x", 2, (1,), payload),)))


def served(connection):
    """A broker without fault, for a client with one subscription."""
    connection.accept()
    return connection.serve()


def test_up_waits_for_every_subscription():
    """A link that were up before could lose the answer to what it sends."""
    go = threading.Event()

    def script(connection):
        connection.accept()
        go.wait(PATIENCE_SECONDS)
        connection.acknowledge()
        return connection.serve()

    with ScriptedBroker(script) as broker, Told(broker.port, "a", "b") as told:
        with pytest.raises(BrokerUnreachableError):
            told.link.start(0.3)
        before = told.link.up, told.ups
        go.set()
        until(lambda: told.ups)
        after = told.link.up, told.ups

    assert (before, after) == ((False, 0), (True, 1))


def test_a_refused_subscription_is_an_error():
    """The broker's access rules do not let us listen: nothing would ever come."""

    def script(connection):
        connection.accept(topics=0)
        connection.acknowledge(0x87)
        connection.serve()

    refused = pytest.raises(BrokerRefusedError, match="a subscription was refused")
    with ScriptedBroker(script) as broker, Told(broker.port, "a") as told, refused:
        told.link.start(PATIENCE_SECONDS)

    assert "not authorised" in told.problems[0].reason


def test_a_refusal_is_told_once_with_the_brokers_reason():
    """The link goes on trying: somebody may correct the password."""

    def script(connection):
        connection.next()
        connection.send(b"\x20\x03\x00\x86\x00")

    with ScriptedBroker(script) as broker, Told(broker.port, "a") as told:
        with pytest.raises(BrokerRefusedError):
            told.link.start(PATIENCE_SECONDS)
        until(lambda: broker.connections > 2)

    assert [problem.reason for problem in told.problems] == ["bad user name or password"]


@pytest.mark.parametrize(
    "answer", [b"\x20\x03\x00\x84\x00", b"\x20\x02\x00\x01", b""], ids=["5", "3.1.1", "closed"]
)
def test_the_dialect_is_found(answer):
    """However a broker says that it does not speak MQTT 5; that is no trouble."""

    def script(connection):
        level = connection.next().body[6]
        if level == 5:
            connection.send(answer)
            return
        connection.send(ACCEPTED["3.1.1"])
        packet = connection.next()
        connection.send(b"\x90\x03" + packet.body[:2] + b"\x00")
        connection.serve()

    with talking(script, "a", protocol="auto") as (broker, told):
        assert (told.link.up, broker.connections, told.problems) == (True, 2, [])


def test_a_broker_that_never_answers_is_told_of():
    """It accepts connections, as its kernel does for it, and says nothing."""
    with (
        ScriptedBroker(lambda c: c.next() and c.next()) as broker,
        Told(broker.port, "a", keepalive_seconds=0.2) as told,
    ):
        with pytest.raises(BrokerUnreachableError):
            told.link.start(0.5)
        until(lambda: told.problems and broker.connections > 1)

    assert [problem.reason for problem in told.problems] == ["no CONNACK within 0.2 s"]


def test_a_broker_that_closes_at_the_subscription_is_told_of():
    """Some do that instead of refusing."""
    with (
        ScriptedBroker(lambda c: (c.accept(topics=0), c.next())) as broker,
        Told(broker.port, "a") as told,
    ):
        with pytest.raises(BrokerUnreachableError):
            told.link.start(0.2)
        until(lambda: told.problems)

    assert [problem.reason for problem in told.problems] == [
        "closed before it acknowledged SUBSCRIBE"
    ]


def test_a_broker_that_reads_nothing_holds_nobody():
    """The sender gets an error; meanwhile the reader goes on, and may send without waiting."""
    buffers = encoded(4 * LARGE)
    given_up = threading.Event()

    def script(connection):
        connection.accept()
        # from then on the sender waits: the sockets do not hold what it sends
        select.select([connection.sock], [], [], PATIENCE_SECONDS)
        for number in range(50):
            connection.publish("a", bytes([number]))
        given_up.wait(PATIENCE_SECONDS)

    def receive(_address, data):
        told.link.send("b", [b"grant"])  # it would block here if it waited
        told.got.put(bytes(data))

    with (
        ScriptedBroker(script) as broker,
        Told(
            broker.port, "a", receive=receive, keepalive_seconds=4.0, max_packet_bytes=LARGE
        ) as told,
    ):
        told.link.start(PATIENCE_SECONDS)
        with pytest.raises(LinkDownError):
            told.link.send("b", buffers)
        given_up.set()
        got = [told.next() for _ in range(50)]
        until(lambda: broker.connections > 1)

    assert got == [bytes([number]) for number in range(50)]


def test_a_broker_that_is_silent_is_given_up():
    """A half-open connection looks like this; the next one is made."""
    with talking(
        lambda c: (c.accept(), [c.next() for _ in range(9)]), "a", keepalive_seconds=0.2
    ) as (broker, _):
        until(lambda: broker.connections > 1)


def test_a_broker_that_answers_pings_is_kept():
    """For several keep-alives, though nothing else happens."""
    pings = []

    def script(connection):
        connection.accept()
        while connection.next().kind == PING:
            connection.send(b"\xd0\x00")
            pings.append(connection.number)

    with talking(script, "a", keepalive_seconds=2.5) as (_, told):
        until(lambda: len(pings) >= 6)

        assert (set(pings), told.link.up) == ({0}, True)


def test_the_brokers_own_keep_alive_counts():
    """MQTT 5 lets it ask for a shorter one."""
    told_one_second = b"\x20\x06\x00\x00\x03\x13\x00\x01"

    def script(connection):
        connection.accept(accepted=told_one_second)
        return connection.next().kind

    with talking(script, "a", keepalive_seconds=600) as (broker, _):
        until(lambda: broker.results)

    assert broker.results[0] == PING


def test_the_packet_limit_is_obeyed_also_when_it_shrinks():
    """Frames travel in chunks below what each connection's broker told."""
    limits = [5000, 3000]
    counted = []

    def script(connection):
        limit = limits[min(connection.number, 1)]
        connection.accept(accepted=b"\x20\x08\x00\x00\x05\x27" + limit.to_bytes(4, "big"))
        while (packet := connection.next()) is not None:
            counted.append((connection.number, len(packet.body)))
            if sum(number == connection.number for number, _ in counted) == 5:
                return

    with talking(script, "a") as (broker, told):
        for connection in range(2):
            until(lambda c=connection: broker.connections > c and told.link.up)
            told.link.send("b", encoded(9600 if connection else 19_500))
            until(lambda c=connection: sum(number == c for number, _ in counted) == 5)

    largest = [max(size for number, size in counted if number == n) for n in range(2)]
    assert 4000 < largest[0] <= 5000
    assert 2000 < largest[1] <= 3000


def test_closing_says_goodbye_behind_what_was_sent(monkeypatch):
    """All of it arrives, then DISCONNECT; afterwards nothing can be sent."""
    monkeypatch.setattr(mqtt, "CLOSE_SECONDS", PATIENCE_SECONDS)
    with talking(served, "a", max_packet_bytes=LARGE) as (broker, told):
        for number in range(20):
            told.link.send("b", encoded(300_000, number))
        told.link.close()
        told.link.close()
        until(lambda: broker.results)
        with pytest.raises(LinkDownError):
            told.link.send("b", [b"x"])
        messages, goodbye = broker.results[0]

    assert [frame.decode(m.payload).sequence for m in messages] == list(range(20))
    assert goodbye


def test_closing_from_its_own_thread(monkeypatch):
    """A receiver may have seen enough, even before the one who opened the link goes on.

    It waits for nothing: what it would wait for is read after it.
    """
    monkeypatch.setattr(mqtt, "CLOSE_SECONDS", 10 * PATIENCE_SECONDS)
    monkeypatch.setattr(mqtt, "CONNECT_SECONDS", 10 * PATIENCE_SECONDS)
    closed = threading.Event()

    def receive(_address, _data):
        told.link.close()
        closed.set()

    def script(connection):
        connection.accept()
        connection.publish("a", b"x")
        connection.serve()

    with ScriptedBroker(script) as broker, Told(broker.port, "a", receive=receive) as told:
        told.link.start(PATIENCE_SECONDS)
        assert closed.wait(PATIENCE_SECONDS)
        until(lambda: not told.link._keeper._thread.is_alive())

    assert broker.connections == 1


@contextmanager
def memory_traced():
    """Give a list that will hold the most bytes that were allocated meanwhile, by anybody here."""
    peak = []
    tracemalloc.start(1)
    try:
        yield peak
        peak.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def test_what_is_received_is_aligned_and_not_copied():
    """The memory of a frame is the only memory: whole, and in chunks."""
    size = 4 << 20
    buffers = encoded(size)
    whole = b"".join(buffers)
    payloads = [whole, *(b"".join(packet) for packet in chunk.split(buffers, 1 << 20))]
    packets = b"".join(mqtt_packets.publish_front("5", "a", len(p)) + p for p in payloads)
    go = threading.Event()

    def script(connection):
        connection.accept()
        go.wait(PATIENCE_SECONDS)
        connection.send(packets)
        connection.sock.recv(1)

    with talking(script, "a", max_packet_bytes=LARGE) as (_, told), memory_traced() as peak:
        go.set()
        got = [told.next(), told.next()]

    assert [bytes(data) == whole for data in got] == [True, True]
    assert [np.frombuffer(d, np.uint8).ctypes.data % ALIGNMENT for d in got] == [0, 0]
    assert 2 * size < peak[0] < 2 * size + 300_000


def test_what_is_sent_is_not_copied():
    """A frame of megabytes takes some kilobytes to send."""
    buffers = encoded(LARGE // 2)
    size, sink = frame.total_bytes(buffers), bytearray(1 << 20)
    size += len(mqtt_packets.publish_front("5", "b", size))

    def script(connection):
        connection.accept()
        left = size
        while left > 0:
            left -= connection.sock.recv_into(sink)

    with talking(script, "a", max_packet_bytes=LARGE) as (_, told), memory_traced() as peak:
        told.link.send("b", buffers)

    assert peak[0] < 300_000


def test_what_cannot_be_taken_is_a_fault_and_the_next_frame_comes():
    """Too large, no chunk, a chunk that follows on nothing; strangers' topics are passed over."""
    good = b"".join(encoded(100))
    follows_nothing = [b"".join(p) for p in chunk.split(encoded(9000), 2000)][1]
    no_chunk = bytearray(200)
    no_chunk[6] = Kind.CHUNK

    def script(connection):
        connection.accept()
        for payload in (bytes(60_000), bytes(no_chunk), follows_nothing):
            connection.publish("a", payload)
        connection.publish("elsewhere", bytes(100_000))
        connection.publish("a", good)
        connection.serve()

    with talking(script, "a", max_frame_bytes=50_000) as (broker, told):
        got = told.next()

        assert bytes(got) == good
        assert [type(f) for f in told.faults] == [FrameError, FrameError, ReassemblyError]
        assert broker.connections == 1


def test_a_payload_that_ends_with_its_connection_leaves_nothing_behind():
    """Neither half a chunk nor half a frame is taken for the next one."""
    whole = b"".join(encoded(9000))
    chunks = [b"".join(p) for p in chunk.split(encoded(9000), 4000)]
    halves = [chunks[0], whole]

    def script(connection):
        connection.accept()
        if connection.number < 2:
            half = halves[connection.number]
            front = mqtt_packets.publish_front("5", "a", len(half))
            connection.send(front + half[: len(half) // 2])
            return
        for payload in (whole, *chunks):
            connection.publish("a", payload)
        connection.serve()

    with ScriptedBroker(script) as broker, Told(broker.port, "a") as told:
        told.link.start(PATIENCE_SECONDS)

        assert [bytes(told.next()) for _ in range(2)] == [whole, whole]
        assert ["unfinished at 0 of" in str(fault) for fault in told.faults] == [True]
        assert broker.connections == 3


def test_a_broker_that_speaks_no_mqtt_any_more_is_left():
    """The fault is named, and another connection is made."""

    def script(connection):
        connection.accept()
        if connection.number == 0:
            connection.send(b"\x30\xff\xff\xff\xff\xff" + bytes(100))
        return connection.serve()

    with talking(script, "a") as (broker, told):
        until(lambda: broker.connections > 1 and told.link.up)

    assert [type(fault) for fault in told.faults] == [MqttPacketError]
    assert told.ups == 2


def test_what_callees_raise_is_a_fault_and_the_link_goes_on():
    """Neither a receiver nor an owner ends the reader thread."""

    def receive(_address, data):
        told.got.put(bytes(data))
        raise ZeroDivisionError("receive")

    def script(connection):
        connection.accept()
        connection.publish("a", b"1")
        connection.publish("a", b"2")
        connection.serve()

    with ScriptedBroker(script) as broker, Told(broker.port, "a", receive=receive) as told:
        told.link.start(PATIENCE_SECONDS)
        got = [told.next(), told.next()]
        until(lambda: len(told.faults) == 2)

    assert got == [b"1", b"2"]
    assert broker.connections == 1


def test_a_client_that_took_our_id_is_not_answered_in_kind():
    """MQTT 5's reason 0x8E: the next attempt waits for seconds."""
    came, sent_away = [], []

    def script(connection):
        came.append(time.monotonic())
        connection.accept()
        sent_away.append(time.monotonic())
        connection.send(OUR_ID_IS_TAKEN)

    with talking(script, "a"):
        until(lambda: len(came) > 1)

    assert came[1] - sent_away[0] >= FIRST_CONTESTED_SECONDS / 2


@pytest.mark.parametrize(
    ("size_bytes", "keepalive_seconds"), [(LEFT_BEHIND, 60.0), (1, 4.0)], ids=["grants", "a ping"]
)
def test_the_reason_is_read_though_nothing_can_be_sent_any_more(size_bytes, keepalive_seconds):
    """The broker has closed before what the reader has to say could leave, but it said why."""
    came, sent_away = [], []
    said, closed = threading.Event(), threading.Event()

    def script(connection):
        came.append(time.monotonic())
        connection.accept()
        if connection.number:
            return
        connection.publish("a", b"x")
        said.wait(PATIENCE_SECONDS)
        sent_away.append(time.monotonic())
        connection.send(OUR_ID_IS_TAKEN)
        connection.sock.close()  # what it has not read ends the connection at once
        closed.set()

    def receive(_address, _data):
        told.link.send("b", encoded(size_bytes))
        said.set()
        closed.wait(PATIENCE_SECONDS)
        time.sleep(0 if keepalive_seconds == 60 else 2)  # a ping is due

    with (
        ScriptedBroker(script) as broker,
        Told(
            broker.port,
            "a",
            receive=receive,
            keepalive_seconds=keepalive_seconds,
            max_packet_bytes=LARGE,
        ) as told,
    ):
        told.link.start(PATIENCE_SECONDS)
        until(lambda: len(came) > 1)

    assert told.faults == []
    assert came[1] - sent_away[0] >= FIRST_CONTESTED_SECONDS / 2
