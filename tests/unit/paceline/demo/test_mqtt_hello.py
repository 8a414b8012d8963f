"""Whether a broker answers, asked with two packets."""

import contextlib
import socket
import threading

import pytest

from paceline.demo import mqtt_hello
from wire.mqtt import packets as mqtt_packets

ACCEPTED_3 = b"\x20\x02\x00\x00"
ACCEPTED_5 = b"\x20\x03\x00\x00\x00"
ACCEPTED_AT_LENGTH = b"\x20\x83\x01\x00\x00\x80\x01" + bytes(127) + b"\x00"
REFUSED_3 = b"\x20\x02\x00\x05"


@pytest.fixture
def listener():
    """A port that somebody may answer on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def asked(listener, answer, dialect):
    """Answer one client; return what `answers` says and what the client sent."""
    heard = []

    def serve():
        connection, _ = listener.accept()
        with connection:
            heard.append(connection.recv(100))
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):  # what is no CONNACK is not read to its end
                while more := connection.recv(100):
                    heard.append(more)

    thread = threading.Thread(target=serve)
    thread.start()
    answers = mqtt_hello.answers(listener.getsockname()[1], dialect, timeout_seconds=60)
    thread.join()
    return answers, heard


@pytest.mark.parametrize(
    ("dialect", "accepted"), [("3.1.1", ACCEPTED_3), ("5", ACCEPTED_5), ("5", ACCEPTED_AT_LENGTH)]
)
def test_a_broker_that_accepts_answers(listener, dialect, accepted):
    """To one packet, and nothing else is sent."""
    answers, heard = asked(listener, accepted, dialect)

    assert answers is True
    client_id = heard[0][-18:].decode()
    assert b"".join(heard) == mqtt_packets.connect(dialect, client_id)


@pytest.mark.parametrize(
    "answer", [b"", b"\x20", b"\x20\x02", b"\x20\xff\xff\xff\xff\xff", REFUSED_3, b"HTTP/1.1 400"]
)
def test_anything_else_is_no_answer(listener, answer):
    """Closed, cut off, refused, or another protocol."""
    assert asked(listener, answer, "3.1.1")[0] is False


def test_nobody_there_is_no_answer(listener):
    """A closed port is not an error: the broker is not ready yet."""
    port = listener.getsockname()[1]
    listener.close()

    assert mqtt_hello.answers(port, "5") is False
