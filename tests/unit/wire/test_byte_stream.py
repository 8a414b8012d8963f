"""A byte stream carries any buffers over real sockets, waits no longer than it may, and can end."""

import os
import signal
import socket
import ssl
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.system.certificates import Authority
from wire.byte_stream import ByteStream
from wire.stream_errors import StreamClosedError, StreamStalledError

KINDS = ("unix", "tcp", "tls")
ENOUGH = 8 << 20
"""More than any socket's buffers hold."""


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    """What both ends of a TLS connection need."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = Authority(folder, "authority")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*authority.issue("localhost"))
    return server, ssl.create_default_context(cafile=authority.file)


def tcp_pair():
    """Return two connected TCP sockets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    return near, far


def tls_pair(contexts):
    """Return two ends of a TLS connection, their handshake behind them."""
    near, far = tcp_pair()
    server, client = contexts
    wrapped = []
    thread = threading.Thread(
        target=lambda: wrapped.append(server.wrap_socket(far, server_side=True))
    )
    thread.start()
    near = client.wrap_socket(near, server_hostname="localhost")
    thread.join(10)
    return near, wrapped[0]


@pytest.fixture
def pair(contexts):
    """What makes two connected streams of a kind; they are closed with the test."""
    made = []

    def make(kind, **options):
        match kind:
            case "unix":
                sockets = socket.socketpair()
            case "tcp":
                sockets = tcp_pair()
            case "tls":
                sockets = tls_pair(contexts)
        streams = [ByteStream(sock, kind, **options) for sock in sockets]
        made.extend(streams)
        return streams

    yield make
    for stream in made:
        stream.close()


def received(stream, size):
    """Return the next bytes of a stream."""
    data = bytearray(size)
    stream.recv_exactly(memoryview(data))
    return bytes(data)


def in_thread(call):
    """Start a thread; returns what waits for its result, or raises what it raised."""
    results = []

    def run():
        try:
            results.append((call(), None))
        except Exception as error:
            results.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result():
        thread.join(20)
        assert not thread.is_alive()
        value, error = results[0]
        if error is not None:
            raise error
        return value

    return result


@pytest.mark.parametrize("kind", KINDS)
def test_both_directions_at_once(pair, kind):
    """Reader and writer of both ends work at the same time; every byte arrives, in order."""
    streams = pair(kind)
    sent = [os.urandom(ENOUGH) for _ in streams]
    pieces = [[data[:1], b"", data[1:100_000], data[100_000:]] for data in sent]

    waits = [in_thread(lambda s=s, p=p: s.send(p)) for s, p in zip(streams, pieces, strict=True)]
    reads = [in_thread(lambda s=s: received(s, ENOUGH)) for s in reversed(streams)]

    assert [read() for read in reads] == sent
    assert [wait() for wait in waits] == [None, None]


@pytest.mark.parametrize("kind", KINDS)
def test_more_buffers_than_the_kernel_takes_at_once(pair, kind):
    """Thousands of small ones, some of them empty."""
    near, far = pair(kind)
    buffers = [bytes([n % 256]) * (n % 5) for n in range(3 * os.sysconf("SC_IOV_MAX"))]

    wait = in_thread(lambda: near.send(buffers))

    whole = b"".join(buffers)
    assert received(far, len(whole)) == whole
    wait()


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_of_any_shape_and_type(pair, kind):
    """Also those that hold nothing, and those of types that Python has no name for."""
    near, far = pair(kind)
    arrays = [
        np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        np.zeros((3, 0, 2)),
        np.arange(6, dtype=np.float16).reshape(2, 3),
        np.array(7, dtype=np.int64),
        np.array([[True], [False]]),
    ]

    near.send(arrays)

    whole = b"".join(array.tobytes() for array in arrays)
    assert received(far, len(whole)) == whole


@pytest.mark.parametrize("kind", KINDS)
def test_a_peer_that_reads_nothing_ends_the_stream(pair, kind):
    """The writer is told instead of waiting for ever, and the stream is closed."""
    near, _ = pair(kind, send_seconds=0.05)

    with pytest.raises(StreamStalledError, match="took no bytes for 0"):
        near.send([bytes(ENOUGH)])
    assert near.closed
    with pytest.raises(StreamClosedError, match="closed here"):
        near.send([b"x"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_slow_peer_is_none_that_reads_nothing(pair, kind):
    """As long as some bytes go, the writer waits."""
    near, far = pair(kind, send_seconds=20)
    wait = in_thread(lambda: near.send([bytes(ENOUGH)]))

    size = sum(len(received(far, ENOUGH // 64)) for _ in range(64))

    assert size == ENOUGH
    wait()


@pytest.mark.parametrize("kind", KINDS)
def test_sending_without_waiting_returns_the_rest(pair, kind):
    """What did not go can be sent later, and nothing is lost or sent twice."""
    near, far = pair(kind)
    data = os.urandom(ENOUGH)

    rest = near.send_now([data[:10], data[10:]])
    left = sum(view.nbytes for view in rest)
    wait = in_thread(lambda: near.send(rest))

    assert 0 < left < ENOUGH
    assert received(far, ENOUGH) == data
    wait()


@pytest.mark.parametrize("kind", KINDS)
def test_closing_wakes_whoever_waits(pair, kind):
    """Reader and writer of a stream that is closed here are told so."""
    near, _ = pair(kind)
    quiet = threading.Event()
    reading = in_thread(lambda: (quiet.set(), received(near, 1)))
    writing = in_thread(lambda: near.send([bytes(ENOUGH)]))
    quiet.wait(10)

    near.close()
    near.close()

    for wait in (reading, writing):
        with pytest.raises(StreamClosedError, match="closed here"):
            wait()
    assert near.fileno() == -1


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_side_closes(pair, kind):
    """What was sent before arrives, then both directions end."""
    near, far = pair(kind)
    far.send([b"last words"])
    far.close()

    assert received(near, 10) == b"last words"
    with pytest.raises(StreamClosedError, match="the other side closed it"):
        received(near, 1)
    with pytest.raises(StreamClosedError):
        near.send([bytes(ENOUGH)])


@pytest.mark.parametrize("kind", KINDS)
def test_quiet_is_told_of_and_the_reader_goes_on(pair, kind):
    """Also in the midst of what is awaited; a byte is not lost by it."""
    told = threading.Semaphore(0)
    near, far = pair(kind, quiet_seconds=0.01, on_quiet=told.release)
    wait = in_thread(lambda: received(near, 4))
    for piece in (b"ab", b"cd"):
        assert told.acquire(timeout=10)
        far.send([piece])

    assert wait() == b"abcd"


def test_quiet_may_end_the_waiting(pair):
    """What the callee raises goes to whoever reads."""

    def give_up():
        raise TimeoutError("quiet")

    near, _ = pair("unix", quiet_seconds=0.01, on_quiet=give_up)

    with pytest.raises(StreamClosedError, match="quiet"):
        received(near, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_receiving_some_takes_what_is_there(pair, kind):
    """At least one byte, and not more than fits."""
    near, far = pair(kind)
    far.send([b"abc"])
    data = bytearray(2)

    first = near.recv_some(memoryview(data))

    assert bytes(data[:first]) == b"abc"[:first]
    assert 1 <= first <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_waiting_for_either_says_what_there_is(pair, kind):
    """Room to send, or bytes to be received; also those that TLS has decrypted already."""
    near, far = pair(kind, quiet_seconds=0.01)
    room = near.wait()
    far.send([b"abc"])
    received(near, 1)

    assert kind == "tls" or not room  # its tickets have come
    assert near.wait()
    assert received(near, 2) == b"bc"


@pytest.mark.parametrize("kind", KINDS)
def test_the_quiet_can_become_shorter(pair, kind):
    """A broker may ask for it when the connection stands."""
    told = threading.Semaphore(0)
    near, far = pair(kind, on_quiet=told.release)
    near.set_quiet(0.01)
    wait = in_thread(lambda: received(near, 1))

    assert told.acquire(timeout=10)
    far.send([b"a"])
    assert wait() == b"a"


def test_tcp_is_sent_without_delay(pair):
    """Small packets do not wait for the acknowledgement of others."""
    near, _ = pair("tcp")

    assert near._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_whatever_is_sent_arrives(pair, data):
    """Buffers of any sizes, read in pieces of any sizes."""
    kind = data.draw(st.sampled_from(KINDS))
    sizes = data.draw(st.lists(st.integers(0, 40_000), max_size=20))
    buffers = [os.urandom(size) for size in sizes]
    near, far = pair(kind)
    wait = in_thread(lambda: near.send(buffers))

    whole, left = b"", sum(sizes)
    while left:
        piece = received(far, data.draw(st.integers(1, left)))
        whole, left = whole + piece, left - len(piece)

    assert whole == b"".join(buffers)
    wait()


def test_an_interrupted_sender_leaves_no_stream_that_goes_on_in_the_middle(pair):
    """Ctrl-C while a peer takes nothing: the bytes that left are followed by no others."""
    near, far = pair("tcp")
    main = threading.get_ident()

    def interrupt():
        received(far, 1)
        signal.pthread_kill(main, signal.SIGINT)

    # whoever started us may have had it ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    stop = threading.Thread(target=interrupt)
    stop.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            near.send([bytes(ENOUGH)])
    finally:
        signal.signal(signal.SIGINT, before)
    stop.join()

    assert near.closed
    with pytest.raises(StreamClosedError):
        near.send([b"goodbye"])
    far.close()
