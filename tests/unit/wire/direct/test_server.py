"""Who gets in, how many at once, and what their connections carry."""

import errno
import hashlib
import os
import queue
import secrets
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from wire.byte_stream import ByteStream
from wire.direct import proving, sockets
from wire.direct.arena import ArenaReader, ArenaWriter
from wire.direct.connection import Connection, Events
from wire.direct.endpoint import LOOPBACK, Way, socket_name
from wire.direct.errors import EndpointError, HandshakeError
from wire.direct.handshake import Receiver, Sender
from wire.direct.proving import Door, Key
from wire.direct.server import MAX_HANDSHAKES, Server
from wire.errors import LinkDownError
from wire.frame import Frame, Kind, Tensor, decode, encode

TOKEN = "8f" * 32
LANE = "paceline/v1/default/d/b/in/p/7-1"
DOOR = Door(address=LANE, token=TOKEN, senders={"a": None})
SECONDS = 60


class Served:
    """A lane that is served; who came and who was sent away."""

    def __init__(self, kind, folder):
        self.accepted, self.refused = queue.Queue(), queue.Queue()
        if kind == "uds":
            listener = sockets.listen_uds(folder, LANE)
        else:
            listener = sockets.listen_tcp(LOOPBACK, 0)
        self.server = Server(listener, DOOR, self.accepted.put, self.refused.put, SECONDS)
        self.way = Way("uds", str(folder / socket_name(LANE)), 0, False)
        if kind == "tcp":
            self.way = Way("tcp", LOOPBACK, self.server.port, False)
        self.server.start()

    def met(self, token=TOKEN):
        """Connect as the sender."""
        return proving.connect(self.way, Key(address=LANE, token=token, sender="a"), SECONDS)

    def connect(self, token=TOKEN):
        """Connect as the sender that shares no memory."""
        return self.met(token).stream

    def pair(self, **events):
        """Return two connections to each other and the queues of what each receives."""
        both = self.met(), self.accepted.get(timeout=SECONDS)
        queues = [queue.Queue(), queue.Queue()]
        ends = [
            Connection(
                end.stream, self.way.link, "other",
                Events(receive=lambda _, data, q=q: q.put(data), **events), 8 << 20,
                arena=end.arena,
            )
            for end, q in zip(both, queues, strict=True)
        ]  # fmt: skip
        for end in ends:
            end.start()
        return *ends, *queues


@pytest.fixture(params=["uds", "tcp"])
def served(request, tmp_path):
    """A served lane."""
    made = Served(request.param, tmp_path / "sockets")
    yield made
    made.server.close()


def frame(number, size_bytes):
    """Return an encoded frame."""
    data = np.full(size_bytes, number % 251, np.uint8)
    tensor = Tensor("x", 2, data.shape, memoryview(data))
    return encode(Frame(Kind.DATA, 1, number, tensors=(tensor,)))


def test_frames_go_both_ways_at_once(served):
    """Each in order, whole, while the others come the other way; large ones, too."""
    a, b, to_a, to_b = served.pair()

    def send(end):
        for number in range(40):
            end.send(frame(number, 1 << 18 if number % 3 else 3 << 20))

    threads = [threading.Thread(target=send, args=(end,)) for end in (a, b)]
    for thread in threads:
        thread.start()
    for received in (to_a, to_b):
        for number in range(40):
            got = decode(received.get(timeout=SECONDS))
            assert got.sequence == number
            assert (np.frombuffer(got.tensors[0].data, np.uint8) == number).all()
    for thread in threads:
        thread.join()
    a.close()
    b.close()


def test_frames_of_many_threads_stay_whole(served):
    """Grants leave from several threads of a receiver."""
    a, b, _, to_b = served.pair()
    threads = [
        threading.Thread(target=lambda n=n: [a.send(frame(n, 70_000)) for _ in range(20)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    got = [decode(to_b.get(timeout=SECONDS)).sequence for _ in range(80)]

    assert sorted(got) == sorted([0, 1, 2, 3] * 20)
    for end in (a, b):
        end.close()


def test_the_end_of_one_side_is_told_to_the_other(served):
    """Once, with a reason; then sending says so."""
    ended = queue.Queue()
    a, b, _, _ = served.pair(ended=lambda end, reason: ended.put((end, reason)))
    b.close()

    ends = dict(ended.get(timeout=SECONDS) for _ in range(2))
    assert set(ends) == {a, b}
    assert all(ends.values())
    assert not a.up
    with pytest.raises(LinkDownError):
        a.send(frame(1, 1))
    assert ended.empty()
    a.close()


@pytest.mark.parametrize("garbage", [b"\0" * 64, b"PLNE" + b"\xff" * 60, secrets.token_bytes(999)])
def test_what_is_no_frame_ends_the_connection(served, garbage):
    """Where the next one begins is not known any more."""
    ended = queue.Queue()
    stream = served.connect()
    arrival = served.accepted.get(timeout=SECONDS)
    end = Connection(
        arrival.stream, "tcp", "a",
        Events(receive=lambda *_: None, ended=lambda _, reason: ended.put(reason)),
    )  # fmt: skip
    end.start()
    stream.send([garbage])

    assert "frame" in ended.get(timeout=SECONDS)
    stream.close()


def test_a_frame_that_is_too_large_ends_the_connection_before_it_takes_memory(served):
    """The head says how large it is."""
    ended = queue.Queue()
    a, _, _, to_b = served.pair(ended=lambda _, reason: ended.put(reason))
    with pytest.raises(LinkDownError):
        _send_many(a, 9 << 20)

    assert to_b.empty()
    assert "at most" in ended.get(timeout=SECONDS) + ended.get(timeout=SECONDS)


def test_a_frame_that_is_begun_and_not_ended_ends_the_connection(served, monkeypatch):
    """Its memory is not held for ever; between two frames silence is nothing, nor is a slow one."""
    monkeypatch.setattr("wire.direct.connection.RECEIVE_SECONDS", 1.5)
    ended = queue.Queue()
    stream = served.connect()
    arrival = served.accepted.get(timeout=SECONDS)
    came = queue.Queue()
    events = Events(lambda _, data: came.put(data), lambda _, reason: ended.put(reason))
    Connection(arrival.stream, served.way.link, "a", events).start()
    whole = b"".join(bytes(b) for b in frame(1, 100_000))
    time.sleep(2)
    for at in range(0, len(whole), 20_000):
        stream.send([whole[at : at + 20_000]])
        time.sleep(0.4)
    assert bytes(came.get(timeout=SECONDS)) == whole
    stream.send([whole[:-1]])

    assert ended.get(timeout=SECONDS) == "nothing of a frame came for 1.5 s"
    assert came.empty()
    stream.close()


def test_strangers_do_not_get_in(served):
    """Without the token; and whoever comes after them does."""
    with pytest.raises(HandshakeError):
        served.connect("00" * 32)

    assert isinstance(served.refused.get(timeout=SECONDS), HandshakeError)
    assert served.accepted.empty()
    stream = served.connect()
    served.accepted.get(timeout=SECONDS).stream.close()
    stream.close()


def test_a_flood_of_silent_connections_keeps_no_neighbour_out(served):
    """The oldest make room; threads and descriptors stay few."""
    before = threading.active_count(), _descriptors()
    silent = []
    for _ in range(60):
        silent.append(_raw(served.way))
        assert threading.active_count() <= before[0] + MAX_HANDSHAKES + 2
    stream = served.connect()
    arrival = served.accepted.get(timeout=SECONDS)
    silent_refused = [served.refused.get(timeout=SECONDS) for _ in range(60 - MAX_HANDSHAKES)]

    assert arrival.sender == "a"
    assert all(isinstance(error, HandshakeError) for error in silent_refused)
    for sock in (*silent, stream, arrival.stream):
        sock.close()
    del arrival  # and the memory that it shares
    _until(lambda: _descriptors() <= before[1])


def test_connections_that_end_take_nobodys_place(served):
    """A slow neighbour is not given up for those that come and go meanwhile."""
    slow = _raw(served.way)
    for _ in range(2 * MAX_HANDSHAKES):
        _raw(served.way).close()
        served.refused.get(timeout=SECONDS)
    side = Sender(TOKEN, LANE, "a", secrets.token_bytes(32))
    slow.sendall(side.hello)
    answer = slow.recv(side.needed, socket.MSG_WAITALL)

    assert len(answer) == side.needed
    slow.close()


def test_a_server_that_closes_lets_go_of_everybody_who_waits(served):
    """Half-done handshakes end with it; who was accepted stays."""
    stream = served.connect()
    arrival = served.accepted.get(timeout=SECONDS)
    waiting = _raw(served.way)
    _until(lambda: threading.active_count() > 2)
    served.server.close()
    served.server.close()

    waiting.settimeout(SECONDS)
    assert _closed(waiting)
    waiting.close()
    with pytest.raises(EndpointError):
        served.connect()
    arrival.stream.send([b"x"])
    stream.recv_exactly(memoryview(bytearray(1)))
    for end in (stream, arrival.stream):
        end.close()


def test_a_socket_is_for_our_own_user_alone(tmp_path):
    """A folder that others can enter is refused."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)

    with pytest.raises(EndpointError, match="0700"):
        sockets.listen_uds(folder, LANE)


def test_a_long_path_is_no_obstacle(tmp_path):
    """The kernel takes 107 bytes; a state folder may be deeper."""
    served = Served("uds", tmp_path / ("d" * 120))
    stream = served.connect()
    served.accepted.get(timeout=SECONDS).stream.close()
    stream.close()
    served.server.close()


def test_the_kernel_watches_tcp_connections():
    """An idle one whose other side is silently gone is noticed: probes, and a limit on silence."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        way = Way("tcp", LOOPBACK, listener.getsockname()[1], False)
        sock = sockets.connect(way, SECONDS)

    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < 10
    sock.close()


def test_a_receiver_that_reads_nothing_ends_the_connection(tmp_path):
    """A process that is stopped holds up its sender for a while, and not for ever."""
    served = Served("uds", tmp_path / "sockets")
    stream = served.connect()
    arrival = served.accepted.get(timeout=SECONDS)
    os.set_blocking(stream.fileno(), True)
    impatient = ByteStream(socket.socket(fileno=os.dup(stream.fileno())), "b", send_seconds=0.2)
    connection = Connection(impatient, "uds", "b", Events(receive=lambda *_: None))
    with pytest.raises(LinkDownError):
        _send_many(connection, 1 << 20)

    assert not connection.up
    for end in (stream, arrival.stream):
        end.close()
    served.server.close()


def test_memory_is_shared_on_one_host_by_unix_sockets_alone(served):
    """Both ends have it, or none; large frames arrive in either case, and grants the other way."""
    met, arrival = served.met(), served.accepted.get(timeout=SECONDS)
    is_unix = served.way.link == "uds"
    assert isinstance(arrival.arena, ArenaReader) == isinstance(met.arena, ArenaWriter) == is_unix
    met.stream.close()
    arrival.stream.close()
    sender, receiver, granted, got = served.pair()
    sender.send(frame(1, 3 << 20))
    receiver.send(frame(2, 3 << 20))

    assert _whole(got.get(timeout=SECONDS)) == _whole(b"".join(frame(1, 3 << 20)))
    assert _whole(granted.get(timeout=SECONDS)) == _whole(b"".join(frame(2, 3 << 20)))
    sender.close()
    receiver.close()


def test_a_sender_that_knows_nothing_of_shared_memory_uses_the_socket(tmp_path):
    """One of an earlier version: the kernel drops what it does not ask for."""
    served = Served("uds", tmp_path / "sockets")
    before, sock = _descriptors(), _raw(served.way)
    side = Sender(TOKEN, LANE, "a", secrets.token_bytes(32))
    sock.sendall(side.hello)
    while not side.done:
        sock.sendall(side.feed(sock.recv(side.needed, socket.MSG_WAITALL)))
    arrival, got = served.accepted.get(timeout=SECONDS), queue.Queue()
    events = Events(receive=lambda _, data: got.put(data))
    receiver = Connection(arrival.stream, "uds", "a", events, arena=arrival.arena)
    receiver.start()
    sock.sendall(b"".join(frame(1, 1 << 20)))

    assert _whole(got.get(timeout=SECONDS)) == _whole(b"".join(frame(1, 1 << 20)))
    sock.close()
    receiver.close()
    served.server.close()
    del arrival, receiver
    _until(lambda: _descriptors() <= before)


@pytest.mark.parametrize("handed", ["nothing", "a pipe", "what could shrink"])
def test_a_receiver_that_shares_nothing_that_can_be_used_gets_all_by_the_socket(tmp_path, handed):
    """One of an earlier version, or one that lies."""
    before = _descriptors()
    pipe, memory = os.pipe(), os.memfd_create("x")
    os.ftruncate(memory, 64 << 20)
    handing = {"nothing": [], "a pipe": [pipe[0]], "what could shrink": [memory]}[handed]
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(1) as pool:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        key = Key(address=LANE, token=TOKEN, sender="a")
        way = Way("uds", str(tmp_path / "socket"), 0, False)
        meeting = pool.submit(proving.connect, way, key, SECONDS)
        sock, _ = listener.accept()
        side = Receiver(LANE, lambda _: TOKEN, secrets.token_bytes(32))
        answer = b""
        while not side.done:
            sock.sendall(answer)
            answer = side.feed(sock.recv(side.needed, socket.MSG_WAITALL))
        if handing:
            socket.send_fds(sock, [answer], handing)
        else:
            sock.sendall(answer)
        met = meeting.result(SECONDS)

    assert met.arena is None
    met.stream.close()
    sock.close()
    for descriptor in (*pipe, memory):
        os.close(descriptor)
    assert _descriptors() == before


def test_a_device_without_such_memory_is_met_all_the_same(tmp_path, monkeypatch):
    """Its kernel has none, or too many files are open."""

    def none(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", none)
    served = Served("uds", tmp_path / "sockets")
    sender, receiver, _, got = served.pair()
    sender.send(frame(1, 1 << 20))

    assert _whole(got.get(timeout=SECONDS)) == _whole(b"".join(frame(1, 1 << 20)))
    sender.close()
    receiver.close()
    served.server.close()


def _whole(data):
    return hashlib.sha256(data).hexdigest()


def _raw(way):
    """Connect and say nothing."""
    return sockets.connect(way, SECONDS)


def _closed(sock):
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def _descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def _send_many(connection, size_bytes):
    for _ in range(100):
        connection.send(frame(1, size_bytes))


def _until(claim):
    ends = time.monotonic() + SECONDS
    while not claim():
        assert time.monotonic() < ends
        time.sleep(0.01)
