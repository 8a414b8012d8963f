"""The handshake over real sockets: TLS with pinned certificates, and strangers."""

import contextlib
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from wire.direct import certificate, pinned, proving
from wire.direct.endpoint import LOOPBACK, Way
from wire.direct.errors import EndpointError, HandshakeError
from wire.direct.proving import Door, Key

TOKEN = "8f" * 32
LANE = "paceline/v1/default/d/b/in/p/7-1"
SECONDS = 20


class Device:
    """A device's certificate in files, and as others are told of it."""

    def __init__(self, folder, name):
        pem = certificate.new(name)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(pem)
        self.der = pinned.der(certificate.told(pem))


@pytest.fixture
def device(tmp_path):
    """Make devices by name."""
    return lambda name: Device(tmp_path, name)


def admitted(door, connect, *, encrypted, seconds=SECONDS):
    """Let ``connect(port)`` connect to a door; return what became of both sides."""
    with socket.create_server((LOOPBACK, 0)) as listener, ThreadPoolExecutor(1) as pool:
        client = pool.submit(connect, listener.getsockname()[1])
        sock, _ = listener.accept()
        try:
            arrival = proving.admit(sock, door, encrypted=encrypted, seconds=seconds)
        except HandshakeError as error:
            arrival = error
        return arrival, client.exception(SECONDS) or client.result(SECONDS)


def knock(key, *, encrypted):
    """Return what connects with a key."""
    return lambda port: proving.connect(Way("tcp", LOOPBACK, port, encrypted), key, SECONDS).stream


def door(**senders):
    """Return a door for these senders; the keyword ``own_file`` is our own."""
    own_file = senders.pop("own_file", None)
    return Door(address=LANE, token=TOKEN, senders=senders, own_file=own_file)


def exchanged(arrival, stream):
    """Whether bytes go both ways."""
    ends = arrival.stream, stream
    for there, here in (ends, ends[::-1]):
        got = bytearray(5)
        sending = threading.Thread(target=there.send, args=([b"hello"],))
        sending.start()
        here.recv_exactly(memoryview(got))
        sending.join()
        assert got == b"hello"
    for end in ends:
        end.close()
    return True


def test_neighbours_meet_without_tls_on_one_host():
    """Both have proved that they know the token."""
    key = Key(address=LANE, token=TOKEN, sender="a")
    arrival, stream = admitted(door(a=None), knock(key, encrypted=False), encrypted=False)

    assert arrival.sender == "a"
    assert exchanged(arrival, stream)


def test_neighbours_meet_over_tls(device):
    """Each takes the other's certificate, whatever the clock says."""
    a, b, c = map(device, "abc")
    key = Key(address=LANE, token=TOKEN, sender="a", own_file=a.file, certificate=b.der)
    arrival, stream = admitted(
        door(a=a.der, c=c.der, own_file=b.file), knock(key, encrypted=True), encrypted=True
    )

    assert arrival.sender == "a"
    assert exchanged(arrival, stream)


def test_a_sender_with_another_key_is_refused(device):
    """Its certificate names the right device and is not the one that was assigned."""
    a, b, stranger = device("a"), device("b"), device("stranger")
    key = Key(address=LANE, token=TOKEN, sender="a", own_file=stranger.file, certificate=b.der)
    arrival, failed = admitted(
        door(a=a.der, own_file=b.file), knock(key, encrypted=True), encrypted=True
    )

    assert isinstance(arrival, HandshakeError)
    assert isinstance(failed, EndpointError)


def test_a_neighbour_cannot_be_another_one(device):
    """What is trusted for one sender opens nothing in the name of another."""
    a, b, c = map(device, "abc")
    key = Key(address=LANE, token=TOKEN, sender="a", own_file=c.file, certificate=b.der)
    arrival, failed = admitted(
        door(a=a.der, c=c.der, own_file=b.file), knock(key, encrypted=True), encrypted=True
    )

    assert isinstance(arrival, HandshakeError)
    assert "'a' is nobody who sends here" in str(arrival)
    assert isinstance(failed, EndpointError)


def test_a_receiver_with_another_key_is_refused(device):
    """Who sits at the address is not whom the assignment names: it hears nothing of ours."""
    a, b, stranger = device("a"), device("b"), device("stranger")
    key = Key(address=LANE, token=TOKEN, sender="a", own_file=a.file, certificate=b.der)
    arrival, failed = admitted(
        door(a=a.der, own_file=stranger.file), knock(key, encrypted=True), encrypted=True
    )

    assert isinstance(arrival, HandshakeError)
    assert isinstance(failed, EndpointError)


def test_a_certificate_signed_by_the_right_one_is_another(device, tmp_path):
    """Only the very certificate counts, not what its key signed."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509.oid import NameOID

    a, b = device("a"), device("b")
    issuer = serialization.load_pem_private_key(a.file.read_bytes(), None)
    key = serialization.load_pem_private_key(certificate.new("stranger"), None)
    begins = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stranger")]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a")]))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=36500))
        .sign(issuer, None)
    )
    file = tmp_path / "signed.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    stranger = Key(address=LANE, token=TOKEN, sender="a", own_file=file, certificate=b.der)
    arrival, failed = admitted(
        door(a=a.der, own_file=b.file), knock(stranger, encrypted=True), encrypted=True
    )

    assert isinstance(arrival, HandshakeError)
    assert isinstance(failed, EndpointError)


def test_the_right_certificate_without_the_token_is_refused(device):
    """Another generation's worker on the same device is not this one."""
    a, b = device("a"), device("b")
    key = Key(address=LANE, token="00" * 32, sender="a", own_file=a.file, certificate=b.der)
    arrival, failed = admitted(
        door(a=a.der, own_file=b.file), knock(key, encrypted=True), encrypted=True
    )

    assert isinstance(arrival, HandshakeError)
    assert isinstance(failed, HandshakeError)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2])
def test_older_tls_is_refused(device, version):
    """Not even with the right certificate."""
    a, b = device("a"), device("b")

    def older(port):
        context = pinned.sending(a.file, b.der)
        context.minimum_version = version
        context.maximum_version = version
        with socket.create_connection((LOOPBACK, port)) as sock, context.wrap_socket(sock) as tls:
            return tls.version()

    arrival, failed = admitted(door(a=a.der, own_file=b.file), older, encrypted=True)

    assert isinstance(arrival, HandshakeError)
    assert isinstance(failed, ssl.SSLError)


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n\r\n" * 9, b"\x10\x10\0\4MQTT" * 9])
@pytest.mark.parametrize("encrypted", [False, True])
def test_other_protocols_are_refused(device, said, encrypted):
    """Plain text, nothing at all, and an end in the middle of it."""
    a, b = device("a"), device("b")

    def speak(port):
        with socket.create_connection((LOOPBACK, port), SECONDS) as sock:
            with contextlib.suppress(OSError):  # it is already closed
                sock.sendall(said)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(1 << 10):
                    pass
            return "closed"

    arrival, outcome = admitted(door(a=a.der, own_file=b.file), speak, encrypted=encrypted)

    assert isinstance(arrival, HandshakeError)
    assert outcome == "closed"


@pytest.mark.parametrize("encrypted", [False, True])
def test_whoever_is_slow_is_refused(device, encrypted):
    """One byte after the other does not lengthen the time that there is."""
    a, b = device("a"), device("b")
    sent = []

    def drip(port):
        with socket.create_connection((LOOPBACK, port), SECONDS) as sock:
            sock.settimeout(0.02)
            try:
                while True:
                    sock.sendall(b"\x16")
                    sent.append(1)
                    try:
                        if not sock.recv(1):
                            return "closed"
                    except TimeoutError:
                        continue
            except OSError:
                return "closed"

    arrival, outcome = admitted(
        door(a=a.der, own_file=b.file), drip, encrypted=encrypted, seconds=0.3
    )

    assert isinstance(arrival, HandshakeError)
    assert outcome == "closed"
    assert sent


@pytest.mark.parametrize("without", ["own_file", "certificate"])
def test_nothing_leaves_the_host_without_certificates(device, without):
    """Rather no direct link than one that is not encrypted."""
    a = device("a")
    known = {"own_file": a.file, "certificate": a.der, without: None}
    key = Key(address=LANE, token=TOKEN, sender="a", **known)

    with pytest.raises(HandshakeError):
        proving.connect(Way("tcp", "192.0.2.1", 9, True), key, SECONDS)


def test_who_is_at_home_nowhere_is_unreachable():
    """A port that is closed is an error with the address in it."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
    key = Key(address=LANE, token=TOKEN, sender="a")

    with pytest.raises(EndpointError, match=f"{LOOPBACK}:{port}"):
        proving.connect(Way("tcp", LOOPBACK, port, False), key, SECONDS)


@pytest.mark.parametrize("text", ["", "***", "A" * 10_000, "A"])
def test_what_is_no_certificate_is_none(text):
    """An assignment without one, or with nonsense, gives no link off this host."""
    assert pinned.der(text) is None


def test_nonsense_in_base64_makes_no_context(device):
    """It is refused with a reason, and nothing is trusted instead."""
    with pytest.raises(HandshakeError, match="certificate"):
        pinned.sending(device("a").file, b"nonsense")
