"""What a broker sends is taken apart without a copy, as paho writes it, and however it comes."""

import socket

import paho.mqtt.client as paho
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from wire.errors import MqttPacketError
from wire.mqtt import packets as mqtt_packets
from wire.mqtt.inflow import BUFFER_BYTES, LONGEST_TOPIC_BYTES, PEEK_BYTES, Came, Coming, Inflow
from wire.mqtt.packets import Packet

DIALECTS = ("3.1.1", "5")
PROTOCOLS = {"3.1.1": MQTTProtocolVersion.MQTTv311, "5": MQTTProtocolVersion.MQTTv5}
TOPICS = st.text(st.characters(codec="utf-8", exclude_characters="+#\0"), min_size=1, max_size=40)
LIMIT = 1 << 16
CONNACKS = {"3.1.1": b"\x20\x02\x00\x00", "5": b"\x20\x03\x00\x00\x00"}


class Paho:
    """A real paho client whose socket leads to the test."""

    def __init__(self, dialect, **options):
        self.heard = []
        self._near, self.far = socket.socketpair()
        near = self._near

        class Client(paho.Client):
            def _create_socket(self):
                return near

        self.client = Client(
            CallbackAPIVersion.VERSION2, protocol=PROTOCOLS[dialect], client_id="c", **options
        )
        self.client.on_message = lambda _c, _u, m: self.heard.append((m.topic, bytes(m.payload)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.far.close()
        self._near.close()

    def sent(self):
        """Return what it has sent."""
        self.far.settimeout(0.05)
        data = b""
        while True:
            try:
                data += self.far.recv(1 << 20)
            except TimeoutError:
                return data


def read(dialect, data, step, *, limit=LIMIT):
    """Return the messages and packets in ``data``, fed in steps, and the largest place given."""
    inflow, found, place, topic, largest = Inflow(dialect), [], None, None, 0
    at = 0
    while at < len(data):
        window = inflow.window
        assert 0 < window.nbytes <= max(BUFFER_BYTES, limit)
        piece = data[at : at + min(step, window.nbytes)]
        window[: len(piece)] = piece
        at += len(piece)
        event = inflow.took(len(piece))
        while event is not None:
            match event:
                case Coming(topic, size, peek):
                    assert peek.nbytes >= min(size, PEEK_BYTES)
                    if size <= limit:
                        largest = max(largest, size)
                        place = bytearray(size)
                        if inflow.fill(memoryview(place)):
                            found.append((topic, bytes(place)))
                    else:
                        found.append((topic, size))
                case Came():
                    found.append((topic, bytes(place)))
                case Packet():
                    found.append(event)
            event = inflow.next_event()
    return found, largest


def written(dialect, topic, payload):
    """Return a PUBLISH as we write it."""
    return mqtt_packets.publish_front(dialect, topic, len(payload)) + payload


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_paho_writes_is_read(dialect):
    """Any sizes, with MQTT 5's properties in between."""
    sizes = (0, 1, 127, 128, PEEK_BYTES, BUFFER_BYTES, 40_000)
    expected = [(f"lane/{size}", bytes(size)) for size in sizes]
    with Paho(dialect) as writer:
        writer.client.connect("nowhere")
        writer.far.sendall(CONNACKS[dialect])
        writer.client.loop_read()
        writer.sent()
        for topic, payload in expected:
            properties = None
            if dialect == "5":
                properties = Properties(PacketTypes.PUBLISH)
                properties.UserProperty = [("name", "x" * 5000)]
                properties.PayloadFormatIndicator = 0
            writer.client.publish(topic, payload, properties=properties)
        data = writer.sent()

    assert read(dialect, data, 1000)[0] == expected


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_we_write_is_read_by_paho(dialect):
    """Messages of any size, as a broker passes them on."""
    expected = [(f"läne/{size}", bytes(size)) for size in (0, 1, 127, 128, 16_383, 40_000)]
    with Paho(dialect) as reader:
        reader.client.connect("nowhere")
        reader.far.sendall(CONNACKS[dialect])
        for topic, payload in expected:
            reader.far.sendall(written(dialect, topic, payload))
        for _ in range(len(expected) + 1):
            reader.client.loop_read()

    assert reader.heard == expected


@pytest.mark.parametrize("dialect", DIALECTS)
def test_connect_and_subscribe_are_the_bytes_of_paho(dialect):
    """User, password, keep-alive, the largest packet that we take, and a subscription."""
    properties, receive_bytes = None, None
    if dialect == "5":
        receive_bytes = 70_000
        properties = Properties(PacketTypes.CONNECT)
        properties.MaximumPacketSize = receive_bytes
    with Paho(dialect) as writer:
        writer.client.username_pw_set("user", "secret")
        writer.client.connect("nowhere", keepalive=37, properties=properties)
        connect = writer.sent()
        writer.far.sendall(CONNACKS[dialect])
        writer.client.loop_read()
        _, number = writer.client.subscribe("a/b", 0)
        subscribe = writer.sent()

    ours = mqtt_packets.connect(
        dialect, "c", username="user", password="secret", keepalive_seconds=37,
        receive_bytes=receive_bytes,
    )  # fmt: skip
    assert ours == connect
    assert mqtt_packets.subscribe(dialect, "a/b", number, qos=0) == subscribe


@given(
    dialect=st.sampled_from(DIALECTS),
    messages=st.lists(st.tuples(TOPICS, st.integers(0, 3 * BUFFER_BYTES)), max_size=6),
    step=st.integers(1, 9000),
    acknowledged=st.booleans(),
)
def test_messages_survive_any_cutting(dialect, messages, step, acknowledged):
    """However the bytes come, the same messages and packets come out, in order."""
    expected = [(topic, bytes([number]) * size) for number, (topic, size) in enumerate(messages)]
    data = b"".join(written(dialect, *message) for message in expected)
    if acknowledged:
        data = b"\xd0\x00" + data + b"\x90\x03\x00\x01\x00"
        expected = [Packet(13, 0, b""), *expected, Packet(9, 0, b"\x00\x01\x00")]

    assert read(dialect, data, step)[0] == expected


STREAMS = {
    dialect: CONNACKS[dialect]
    + b"\x90\x03\x00\x01\x00"
    + written(dialect, "a/b", bytes(range(200)) * 5)
    + b"\xd0\x00"
    + written(dialect, "c", b"")
    + written(dialect, "d", bytes(BUFFER_BYTES + 7))
    for dialect in DIALECTS
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_truncation_gives_what_was_whole(dialect):
    """Nothing is invented, nothing fails, whatever the last byte is."""
    data = STREAMS[dialect]
    whole, _ = read(dialect, data, len(data))
    counts = []
    for size in [*range(1500), *range(1500, len(data), 101)]:
        found, _ = read(dialect, data[:size], 700)
        assert found == whole[: len(found)]
        counts.append(len(found))

    assert counts == sorted(counts)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_flipped_byte_of_a_head_is_read_or_refused(dialect):
    """Only by our error, and no place is asked for that is larger than what is allowed."""
    data = STREAMS[dialect]
    heads = [*range(30), *range(len(data) - BUFFER_BYTES - 50, len(data) - BUFFER_BYTES)]
    for at in heads:
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            try:
                _, largest = read(dialect, bytes(changed), 700)
            except MqttPacketError:
                continue
            assert largest <= LIMIT


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("payload", [b"", b"x", b"x" * 124, b"x" * 700], ids=len)
def test_a_message_that_comes_at_once_is_what_it_is_byte_by_byte(dialect, payload):
    """Whatever is wrong with its head, or behind it."""
    data = written(dialect, "a", payload) + b"\xd0\x00"
    outcomes = []
    for at in range(10):
        for bit in range(8):
            changed = bytearray(data)
            changed[at % len(data)] ^= 1 << bit
            told = []
            for step in (1, len(data)):
                try:
                    told.append(read(dialect, bytes(changed), step)[0])
                except MqttPacketError as error:
                    told.append(str(error))
            outcomes.append(told)

    assert [one for one, _ in outcomes] == [one for _, one in outcomes]


@settings(max_examples=300)
@given(dialect=st.sampled_from(DIALECTS), data=st.binary(max_size=200), step=st.integers(1, 50))
def test_noise_is_read_or_refused(dialect, data, step):
    """Whatever comes: events, silence, or our error; never another one."""
    try:
        _, largest = read(dialect, data, step)
    except MqttPacketError:
        return
    assert largest <= LIMIT


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_payload_that_nobody_wants_is_passed_over(dialect):
    """As large as MQTT allows: its place is never made, and what follows is read."""
    inflow = Inflow(dialect)
    size = LIMIT + 1
    data = written(dialect, "big", bytes(size)) + written(dialect, "next", b"x")
    huge = mqtt_packets.publish_front(dialect, "huge", 200 << 20)
    inflow.window[: len(huge)] = huge
    first = inflow.took(len(huge))

    assert read(dialect, data, 5000)[0] == [("big", size), ("next", b"x")]
    assert (first, inflow.next_event()) == (None, None)
    assert inflow.window.nbytes <= BUFFER_BYTES


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_topic_that_is_too_long_to_be_ours_is_passed_over(dialect):
    """With its payload; what follows is read."""
    data = written(dialect, "t" * (LONGEST_TOPIC_BYTES + 1), bytes(9000))
    data += written(dialect, "next", b"x")

    assert read(dialect, data, 700)[0] == [("next", b"x")]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x32\x08\x00\x01a\x00\x01pay", "QoS 1, which nobody asked for"),
        (b"\x30\xff\xff\xff\xff\x01", "more than four bytes"),
        (b"\x30\x01\x00", "cut off"),
        (b"\x30\x04\x00\x09ab", "cut off"),
        (b"\x30\x06\x00\x01a\x05\x01\x00", "cut off"),
        (b"\x30\x04\x00\x01a\x80", "cut off"),
        (b"\x30\x06\x00\x02\xff\xfe\x00x", "no UTF-8"),
        (b"\x20\xff\xff\x7f", "a packet of kind 2"),
    ],
)
def test_what_is_wrong_is_named(data, problem):
    """So that whoever reads a log knows what the broker did."""
    with pytest.raises(MqttPacketError, match=problem):
        read("5", data + bytes(100), 3)


def test_a_place_of_another_size_is_a_bug_of_the_caller():
    """Also when there is nothing to be placed."""
    inflow = Inflow("5")
    with pytest.raises(ValueError, match="payload of None"):
        inflow.fill(memoryview(b""))
    data = written("5", "a", b"12345")
    inflow.window[: len(data)] = data
    assert isinstance(inflow.took(len(data)), Coming)

    with pytest.raises(ValueError, match="4 bytes for a payload of 5"):
        inflow.fill(memoryview(bytearray(4)))


def test_a_place_may_leave_out_the_beginning():
    """What was seen in the peek need not be stored."""
    inflow, place = Inflow("5"), bytearray(3)
    data = written("5", "a", b"12345")
    inflow.window[: len(data)] = data
    seen = bytes(inflow.took(len(data)).peek)

    assert inflow.fill(memoryview(place), 2)
    assert (seen, bytes(place)) == (b"12345", b"345")
