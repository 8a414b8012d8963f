"""Whether a broker really answers: one CONNECT, one CONNACK.

A listening port is not enough (a broker may accept before it serves), and a whole client is too
much for a question that is asked every few milliseconds.

Two things are done for rumqttd 0.20. Each question has a client id of its own, because a listener
is lost for good when a client id comes back after a CONNECT that could not be answered. And the
connection is closed without DISCONNECT, because that packet and the closing each free the
connection's number, and the second may hit the next client, which has it by then.

Source: MQTT 3.1.1 and MQTT 5.0, sections 3.1 and 3.2.
"""

import secrets
import socket
from typing import BinaryIO, Final

LEVELS: Final = {"3.1.1": 4, "5": 5}
_CLEAN_START: Final = 2
_KEEPALIVE_SECONDS: Final = 10
_CONNACK: Final = 0x20


def answers(port: int, dialect: str, *, timeout_seconds: float = 1.0) -> bool:
    """Return whether a broker on this machine's ``port`` accepts a client of ``dialect``."""
    hello = connect_packet(dialect, f"hello-{secrets.token_hex(6)}")
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_seconds) as connection:
            connection.settimeout(timeout_seconds)
            connection.sendall(hello)
            with connection.makefile("rb") as incoming:
                kind, size = _fixed_header(incoming)
                # read whole: closing with unread bytes would be a reset
                content = incoming.read(size)
    except OSError:
        return False
    return kind == _CONNACK and len(content) == size >= 2 and content[1] == 0


def connect_packet(dialect: str, client_id: str) -> bytes:
    """Return a CONNECT with a clean start, without user and will."""
    properties = b"\x00" if dialect == "5" else b""
    body = (
        b"\x00\x04MQTT"
        + bytes((LEVELS[dialect], _CLEAN_START, 0, _KEEPALIVE_SECONDS))
        + properties
        + len(client_id).to_bytes(2, "big")
        + client_id.encode()
    )
    return bytes((0x10, len(body))) + body


def _fixed_header(incoming: BinaryIO) -> tuple[int, int]:
    """Return a packet's first byte and the size of the rest; (0, 0) where there is none."""
    first = incoming.read(1)
    size = shift = 0
    while first and shift <= 21:
        byte = incoming.read(1)
        if not byte:
            break
        size |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return first[0], size
        shift += 7
    return 0, 0
