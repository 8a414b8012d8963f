"""Whether a broker really answers: one CONNECT, one CONNACK, goodbye.

A listening port is not enough (a broker may accept before it serves), and a whole client is too
much for a question that is asked every few milliseconds.

Source: MQTT 3.1.1 and MQTT 5.0, sections 3.1 and 3.2.
"""

import socket
from typing import Final

LEVELS: Final = {"3.1.1": 4, "5": 5}
_CLIENT_ID: Final = b"paceline-hello"
_CLEAN_START: Final = 2
_CONNACK: Final = 0x20
_DISCONNECT: Final = b"\xe0\x00"


def answers(port: int, dialect: str, *, timeout_seconds: float = 1.0) -> bool:
    """Return whether a broker on this machine's ``port`` accepts a client of ``dialect``."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_seconds) as connection:
            connection.settimeout(timeout_seconds)
            connection.sendall(connect_packet(dialect))
            head = b""
            while len(head) < 4:  # type, length, flags, reason: alike in both dialects
                more = connection.recv(4 - len(head))
                if not more:
                    return False
                head += more
            connection.sendall(_DISCONNECT)
    except OSError:
        return False
    return head[0] == _CONNACK and head[3] == 0


def connect_packet(dialect: str) -> bytes:
    """Return a CONNECT with a clean start, without user and will."""
    properties = b"\x00" if dialect == "5" else b""
    body = (
        b"\x00\x04MQTT"
        + bytes((LEVELS[dialect], _CLEAN_START, 0, 10))
        + properties
        + len(_CLIENT_ID).to_bytes(2, "big")
        + _CLIENT_ID
    )
    return bytes((0x10, len(body))) + body
