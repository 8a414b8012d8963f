"""MQTT packets, built as the standard says and read however they come."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.errors import MqttPacketError
from wire.mqtt import packets as mqtt_packets
from wire.mqtt.packets import LastWill, Packet, Reader

DIALECTS = st.sampled_from(["3.1.1", "5"])


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        ("3.1.1", b"\x10\x11\x00\x04MQTT\x04\x02\x00\x0a\x00\x05hello"),
        ("5", b"\x10\x12\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x05hello"),
    ],
)
def test_connect_is_as_the_standard_says(dialect, expected):
    """Fixed header, protocol name and level, clean start, keep-alive, properties, client id."""
    assert mqtt_packets.connect(dialect, "hello") == expected


def test_connect_with_everything():
    """Will, user and password follow the client id in the standard's order, each with its flag."""
    will = LastWill("t", b"gone", retain=True)
    packet = mqtt_packets.connect("5", "c", username="u", password="p", will=will)

    flags = 0x80 | 0x40 | 0x20 | 0x08 | 0x04 | 0x02
    content = b"\x00\x01c" + b"\x00" + b"\x00\x01t" + b"\x00\x04gone" + b"\x00\x01u" + b"\x00\x01p"
    assert packet[2:] == b"\x00\x04MQTT\x05" + bytes((flags,)) + b"\x00\x0a\x00" + content


@given(
    dialect=DIALECTS,
    payloads=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    retain=st.booleans(),
    step=st.integers(1, 50),
)
def test_messages_survive_any_cutting(dialect, payloads, retain, step):
    """However the bytes arrive, the same messages come out in order."""
    data = b"".join(
        mqtt_packets.publish(dialect, "a/b", payload, 7, retain=retain) for payload in payloads
    )
    reader = Reader()
    packets = [p for at in range(0, len(data), step) for p in reader.feed(data[at : at + step])]
    messages = [mqtt_packets.message(dialect, packet) for packet in packets]

    assert [m.payload for m in messages] == payloads
    assert {(m.topic, m.qos, m.retain, m.packet_id) for m in messages} == {("a/b", 1, retain, 7)}


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (b"", None),
        (b"\x27\x00\x02\x48\xf0", 0x248F0),
        (b"\x21\x00\x14" + b"\x22\x00\x0a" + b"\x27\x00\x00\x10\x00", 4096),
        (b"\x26\x00\x01a\x00\x01b" + b"\x12\x00\x02id" + b"\x27\x00\x00\x00\x09", 9),
        (b"\x0b\x80\x01" + b"\x27\x00\x00\x00\x09", 9),
        (b"\x24\x01", None),
    ],
)
def test_the_packet_limit_is_found_among_other_properties(properties, expected):
    """MQTT 5 tells it in CONNACK, wherever it stands there."""
    connack = b"\x00\x00" + bytes((len(properties),)) + properties

    assert mqtt_packets.told_packet_bytes("5", connack) == expected
    assert mqtt_packets.told_packet_bytes("3.1.1", connack) is None


@pytest.mark.parametrize(
    ("dialect", "code", "expected"),
    [
        ("3.1.1", 0, None),
        ("3.1.1", 5, "not authorised"),
        ("5", 0x86, "bad user name or password"),
        ("5", 0x9F, "reason 0x9f"),
    ],
)
def test_a_refusal_says_why(dialect, code, expected):
    """In words where we have them."""
    assert mqtt_packets.refusal(dialect, bytes((0, code))) == expected


def test_reasons_stand_at_their_places():
    """PUBACK behind the packet id, SUBACK at the end, DISCONNECT first; nothing said is success."""
    assert mqtt_packets.reason_code("5", Packet(mqtt_packets.PUBACK, 0, b"\x00\x01\x87")) == 0x87
    assert mqtt_packets.reason_code("5", Packet(mqtt_packets.PUBACK, 0, b"\x00\x01")) == 0
    assert mqtt_packets.reason_code("3.1.1", Packet(mqtt_packets.SUBACK, 0, b"\0\1\x80")) == 0x80
    assert mqtt_packets.reason_code("5", Packet(mqtt_packets.DISCONNECT, 0, b"\x95")) == 0x95


@given(dialect=DIALECTS, data=st.binary(max_size=60))
def test_what_is_no_mqtt_is_refused_by_name(dialect, data):
    """Whatever comes: packets, silence, or our error; never another one."""
    with contextlib.suppress(MqttPacketError):
        for packet in Reader().feed(data):
            mqtt_packets.message(dialect, packet)
            mqtt_packets.refusal(dialect, packet.body)
            mqtt_packets.told_packet_bytes(dialect, packet.body)
            mqtt_packets.reason_code(dialect, packet)


def test_an_endless_size_is_refused():
    """Before anything is kept for it."""
    with pytest.raises(MqttPacketError, match="more than four bytes"):
        list(Reader().feed(b"\x30\xff\xff\xff\xff\xff"))
    with pytest.raises(MqttPacketError, match="a packet of"):
        list(Reader().feed(b"\x30\xff\xff\xff\x7f"))
