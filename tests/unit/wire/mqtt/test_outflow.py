"""Packets of several threads leave whole, and the reader's thread never waits for another's."""

import os
import socket
import threading
import time

import pytest

from wire.byte_stream import ByteStream
from wire.mqtt.outflow import MAX_WAITING_BYTES, Outflow
from wire.stream_errors import StreamFullError, StreamStalledError

LARGE = 8 << 20
"""More than the socket holds."""


class Ends:
    """An outflow, and the far end of its stream."""

    def __init__(self, send_seconds=20.0):
        near, self.far = socket.socketpair()
        self.stream = ByteStream(near, "far", send_seconds=send_seconds, quiet_seconds=0.05)
        self.outflow = Outflow(self.stream)
        self.errors = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.far.close()

    def sending(self, *buffers):
        """Start a thread that sends."""

        def send():
            try:
                self.outflow.send(buffers)
            except Exception as error:
                self.errors.append(error)

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        return thread

    def received(self, size):
        """Return the next bytes."""
        self.far.settimeout(20)
        data = bytearray()
        while len(data) < size:
            data += self.far.recv(size - len(data))
        return bytes(data)


def blocked(ends):
    """Start a thread that sends and wait until it is stuck; returns it and what it sends."""
    data = os.urandom(LARGE)
    thread = ends.sending(data[:10], data[10:])
    while not ends.outflow._turn.locked():
        time.sleep(0.001)
    return thread, data


def test_the_reader_does_not_wait_for_a_writer():
    """What it says follows the packet that is being written, once and whole."""
    with Ends() as ends:
        thread, data = blocked(ends)
        for number in range(3):
            ends.outflow.send_soon([b"grant", bytes([number])])
        pushed = ends.outflow.push()

        assert pushed  # whoever has the turn sends it
        assert ends.received(LARGE + 18) == data + b"grant\0grant\1grant\2"
        thread.join(20)
    assert not ends.errors


def test_the_reader_does_not_wait_for_room():
    """What does not go at once is sent when there is room again."""
    with Ends() as ends:
        data = os.urandom(LARGE)
        ends.outflow.send_soon([data[:3], data[3:]])
        before = ends.outflow.push()
        got = b""
        while not ends.outflow.push():
            got += ends.far.recv(LARGE)
            assert not ends.stream.wait()  # there is room, and nothing to be received
        got += ends.received(LARGE - len(got))

    assert not before
    assert got == data


def test_what_the_reader_left_goes_first():
    """A writer finishes the packet that was begun before it sends its own."""
    with Ends() as ends:
        data = os.urandom(LARGE)
        ends.outflow.send_soon([data])
        thread = ends.sending(b"later")

        assert ends.received(LARGE + 5) == data + b"later"
        thread.join(20)
    assert not ends.errors


def test_what_the_reader_leaves_is_bounded():
    """Behind a peer that reads nothing it is told so, and nothing is kept."""
    with Ends() as ends:
        thread, data = blocked(ends)
        ends.outflow.send_soon([bytes(MAX_WAITING_BYTES)])
        with pytest.raises(StreamFullError, match="send it later"):
            ends.outflow.send_soon([b"x"])

        assert ends.received(LARGE + MAX_WAITING_BYTES) == data + bytes(MAX_WAITING_BYTES)
        thread.join(20)
        ends.outflow.send_soon([b"x"])
        assert ends.received(1) == b"x"


def test_a_writer_behind_a_peer_that_reads_nothing_gives_up():
    """And so does the one that waits for its turn."""
    with Ends(send_seconds=0.05) as ends:
        threads = [ends.sending(bytes(LARGE)) for _ in range(2)]
        for thread in threads:
            thread.join(20)

    assert len(ends.errors) == 2
    assert any(isinstance(error, StreamStalledError) for error in ends.errors)


def test_packets_of_many_threads_stay_whole():
    """Each one's bytes stand together, and each thread's packets are in its order."""
    count, size = 200, 1000
    with Ends() as ends:

        def send(name):
            for number in range(count):
                packet = bytes([name, number]) + bytes([name]) * size
                ends.outflow.send([packet[:2], packet[2:]])

        threads = [threading.Thread(target=send, args=(name,)) for name in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for number in range(count):
            ends.outflow.send_soon([bytes([4, number]), bytes([4]) * size])
        got = []
        while len(got) < 4 * count:
            ends.outflow.push()
            got.append(ends.received(size + 2))
        for thread in threads:
            thread.join(20)

    for name in (1, 2, 3, 4):
        assert [p[1] for p in got if p[0] == name] == list(range(count))
    assert all(set(p[2:]) == {p[0]} for p in got)
