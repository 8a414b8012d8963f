"""Whether a broker really answers: one CONNECT, one CONNACK.

A listening port is not enough (a broker may accept before it serves), and a whole client is too
much for a question that is asked every few milliseconds.

Two things are done for rumqttd 0.20. Each question has a client id of its own, because a listener
is lost for good when a client id comes back after a CONNECT that could not be answered. And the
connection is closed without DISCONNECT, because that packet and the closing each free the
connection's number, and the second may hit the next client, which has it by then.
"""

import secrets
import socket

from wire.errors import MqttPacketError
from wire.mqtt import packets as mqtt_packets

_BLOCK_BYTES = 4096


def answers(port: int, dialect: str, *, timeout_seconds: float = 1.0) -> bool:
    """Return whether a broker on this machine's ``port`` accepts a client of ``dialect``."""
    hello = mqtt_packets.connect(dialect, f"hello-{secrets.token_hex(6)}")
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_seconds) as connection:
            connection.settimeout(timeout_seconds)
            connection.sendall(hello)
            return _accepted(connection, dialect)
    except (OSError, MqttPacketError):
        return False


def _accepted(connection: socket.socket, dialect: str) -> bool:
    """Return whether a CONNACK comes that accepts."""
    reader = mqtt_packets.Reader()
    while data := connection.recv(_BLOCK_BYTES):
        for packet in reader.feed(data):
            accepts = mqtt_packets.refusal(dialect, packet.body) is None
            return packet.kind == mqtt_packets.CONNACK and accepts
    return False
