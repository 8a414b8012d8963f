"""The links over MQTT keep one promise, whoever's client and whoever's broker it is."""

import hashlib
import itertools
import queue
import shutil
import subprocess
import threading
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest

from tests.contract import link_brokers
from tests.system.place import PATIENCE_SECONDS, free_port, until
from wire import broker_url, frame
from wire.access import Access
from wire.errors import BrokerRefusedError, BrokerUnreachableError, LinkDownError
from wire.frame import Frame, Kind, Tensor
from wire.links import LinkOptions, open_link
from wire.links.paho import PahoLink

LINKS = ("mqtt", "paho")
PAIRS = tuple(itertools.product(LINKS, LINKS))
LARGE_PACKETS = 8 << 20
_numbers = itertools.count()


@pytest.fixture(scope="module", params=link_brokers.NAMES)
def broker(request, tmp_path_factory):
    """Each broker, for all tests of this file."""
    with link_brokers.named(request.param, tmp_path_factory.mktemp("broker")) as running:
        yield running


class End:
    """A link, and all that it said."""

    def __init__(self, name, url, *addresses, **options):
        self.got = queue.Queue()
        self.ups, self.problems, self.faults = [], [], []
        url = url if isinstance(url, broker_url.BrokerUrl) else broker_url.parse(url)
        self.link = open_link(
            name,
            LinkOptions(
                url,
                f"end-{next(_numbers)}",
                on_up=lambda: self.ups.append(True),
                on_problem=self.problems.append,
                on_fault=self.faults.append,
                **options,
            ),
        )
        for address in addresses:
            self.link.listen(address, lambda at, data: self.got.put((at, data)))

    def __enter__(self):
        try:
            self.link.start(PATIENCE_SECONDS)
        except BaseException:
            self.link.close()
            raise
        return self

    def __exit__(self, *_):
        self.link.close()

    def next(self):
        """Return address and bytes of the next frame."""
        address, data = self.got.get(timeout=PATIENCE_SECONDS)
        return address, bytes(data)

    def taken(self, count):
        """Return so many frames."""
        return [self.next() for _ in range(count)]


@contextmanager
def ends(pair, url, *addresses, **options):
    """Give the sender and the receiver of these links, connected."""
    sending, receiving = pair
    with End(receiving, url, *addresses, **options) as receiver, End(sending, url, **options) as s:
        yield s, receiver


def a_frame(size_bytes, sequence=1, stream=1):
    """Return an encoded frame's buffers and its bytes."""
    rng = np.random.default_rng([size_bytes, sequence])
    payload = rng.integers(0, 255, size_bytes, np.uint8)
    shapes = (Tensor("x", 2, payload.shape, payload.data), Tensor("e", 1, (0,), memoryview(b"")))
    buffers = frame.encode(Frame(Kind.DATA, stream, sequence, tensors=shapes))
    return buffers, b"".join(memoryview(b).cast("B") for b in buffers if memoryview(b).nbytes)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("max_packet_bytes", [None, LARGE_PACKETS])
def test_frames_of_every_size_arrive_as_they_are(broker, pair, max_packet_bytes):
    """Nothing at all, a byte, around the alignment, and in as many chunks as it takes."""
    sizes = [0, 1, 63, 64, 65, 4000, 4096, 96 << 10, 600 << 10]
    with ends(pair, broker.url, "a/b", max_packet_bytes=max_packet_bytes) as (sender, receiver):
        sender.link.send("a/b", [b""])
        assert receiver.next() == ("a/b", b"")
        for size in sizes:
            buffers, data = a_frame(size)
            sender.link.send("a/b", buffers)
            assert receiver.next() == ("a/b", data), size

        assert (sender.faults, receiver.faults) == ([], [])


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_twenty_megabytes(broker, pair):
    """In chunks of a MiB, however much more the broker takes."""
    buffers, data = a_frame(20 << 20)
    with ends(pair, broker.url, "a/b", max_packet_bytes=LARGE_PACKETS) as (sender, receiver):
        sender.link.send("a/b", buffers)
        _, got = receiver.next()

    assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_order_on_several_addresses(broker, pair):
    """Each address has its own; frames to others are not ours."""
    frames = [a_frame(size, n) for n, size in enumerate([10, 150_000, 1000] * 12)]
    with ends(pair, broker.url, "a/1", "a/2") as (sender, receiver):
        for number, (buffers, _) in enumerate(frames):
            sender.link.send(f"a/{number % 3}", buffers)
        got = receiver.taken(24)

        assert receiver.got.empty()
    for lane in (1, 2):
        expected = [data for _, data in frames[lane::3]]
        assert [data for address, data in got if address == f"a/{lane}"] == expected


@pytest.mark.parametrize("link", LINKS)
def test_both_directions_at_once(broker, link):
    """Two ends send to each other while they receive, and answer from the reader's thread."""
    count, under_way = 40, 4
    buffers, data = a_frame(300_000)
    other = {"l": "r", "r": "l"}
    made, grants, wrong = {}, {}, []

    def listening(name):
        def take(_address, got):
            if bytes(got) != data:
                wrong.append(name)
            made[name].link.send(f"grant/{other[name]}", [b"grant"])

        made[name] = End(link, broker.url, max_packet_bytes=LARGE_PACKETS)
        grants[name] = threading.Semaphore(under_way)
        made[name].link.listen(f"lane/{name}", take)
        made[name].link.listen(f"grant/{name}", lambda *_: grants[name].release())

    def send(name):
        for _ in range(count):
            if grants[name].acquire(timeout=PATIENCE_SECONDS):
                made[name].link.send(f"lane/{other[name]}", buffers)

    for name in other:
        listening(name)
    with made["l"], made["r"]:
        threads = [threading.Thread(target=send, args=(name,)) for name in other]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        answered = [
            grants[name].acquire(timeout=PATIENCE_SECONDS)
            for name in other
            for _ in range(under_way)
        ]

    assert all(answered)
    assert (wrong, made["l"].faults, made["r"].faults) == ([], [], [])


@pytest.mark.parametrize("link", LINKS)
def test_what_was_handed_over_is_sent_before_it_closes(broker, link):
    """All of it arrives, though the sender closes at once."""
    frames = [a_frame(100_000, number) for number in range(30)]
    with End("mqtt", broker.url, "a", max_packet_bytes=LARGE_PACKETS) as receiver:
        with End(link, broker.url, max_packet_bytes=LARGE_PACKETS) as sender:
            for buffers, _ in frames:
                sender.link.send("a", buffers)
        got = receiver.taken(len(frames))

        assert [data for _, data in got] == [data for _, data in frames]
        with pytest.raises(LinkDownError):
            sender.link.send("a", [b"x"])


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("name", link_brokers.NAMES)
def test_dialects(name, link, tmp_path):
    """What is asked for, or what the broker speaks; it is no trouble to find that out.

    At a broker that nobody leaves meanwhile: rumqttd may then end whoever comes next.
    """
    with link_brokers.named(name, tmp_path) as broker, ExitStack() as staying:
        asked = [(dialect, how) for dialect in broker.urls for how in ("auto", dialect)]
        for number, (dialect, protocol) in enumerate(asked):
            port, address = broker_url.parse(broker.urls[dialect]).port, f"a/{number}"
            url = f"mqtt://127.0.0.1:{port}?protocol={protocol}"
            end = staying.enter_context(End(link, url, address))
            end.link.send(address, [b"x"])
            assert end.next() == (address, b"x")
            assert (end.ups, end.problems) == ([True], [])


def test_a_dialect_that_a_broker_does_not_speak_is_a_trouble(broker):
    """Whoever asks for MQTT 5 alone is told that it is not spoken."""
    if "5" in broker.urls:
        pytest.skip(f"{broker.name} speaks both")
    for link in LINKS:
        end = End(link, f"{broker.url}?protocol=5", "a")
        with pytest.raises((BrokerRefusedError, BrokerUnreachableError)):
            end.link.start(1.0)
        end.link.close()


@pytest.mark.parametrize("link", LINKS)
def test_any_subscriber_sees_every_frame(broker, link):
    """A stranger's client, beside the receiver: a frame is a message on a topic."""
    program = shutil.which("mosquitto_sub")
    if program is None:
        pytest.skip("mosquitto_sub is not installed")
    frames = [a_frame(size, n) for n, size in enumerate([0, 100, 5000, 600_000])]
    port = broker_url.parse(broker.urls["3.1.1"]).port
    command = ["stdbuf", "-oL", program, "-d", "-p", str(port), "-V", "311", "-t", "a/#"]
    command += ["-C", str(len(frames)), "-F", "frame %t %x"]
    with (
        ends((link, link), broker.url, "a/b", max_packet_bytes=LARGE_PACKETS) as (sender, receiver),
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stranger,
    ):
        try:
            for line in stranger.stdout:
                if line.startswith("Subscribed"):
                    break
            for buffers, _ in frames:
                sender.link.send("a/b", buffers)
            seen = [line.split() for line in stranger.stdout if line.startswith("frame")]
            got = receiver.taken(len(frames))
        finally:
            stranger.kill()

    assert [data for _, data in got] == [data for _, data in frames]
    assert seen == [["frame", "a/b", data.hex()] for _, data in frames]


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("name", link_brokers.NAMES)
def test_a_broker_that_comes_back(name, link, tmp_path):
    """The link says that it is down, comes up by itself, and hears what it heard before."""
    with link_brokers.named(name, tmp_path) as broker, End(link, broker.url, "a") as end:
        broker.stop()
        until(lambda: not end.link.up, "the loss")
        with pytest.raises(LinkDownError):
            end.link.send("a", [b"lost"])
        broker.start()
        until(lambda: end.link.up, "the return")
        end.link.send("a", [b"again"])

        assert end.next() == ("a", b"again")
        assert len(end.ups) == 2


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("protocol", ["auto", "5", "3.1.1"])
def test_a_wrong_password_is_refused_and_the_right_one_works(link, protocol, tmp_path):
    """It is read again at each connection: whoever corrects it need not start anything again."""
    broker, url = link_brokers.guarded(tmp_path, "user", "secret")
    password = tmp_path / "password"
    password.write_text("wrong")
    access = Access(username="user", password_file=password)
    with broker:
        end = End(link, f"{url}?protocol={protocol}", "a", access=access)
        try:
            with pytest.raises(BrokerRefusedError):
                end.link.start(PATIENCE_SECONDS)
            password.write_text("secret\n")
            until(lambda: end.link.up, "the connection")
            end.link.send("a", [b"x"])
            assert end.next() == ("a", b"x")
        finally:
            end.link.close()


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_tls_with_a_clients_certificate(pair, tmp_path):
    """Both sides are proved; frames of every size go through, chunked and not."""
    broker, url, authority = link_brokers.encrypted(tmp_path)
    certificate, key = authority.issue("client")
    access = Access(ca_file=authority.file, certificate_file=certificate, key_file=key)
    frames = [a_frame(size, n) for n, size in enumerate([0, 1, 16 << 10, 600_000, 9 << 20])]
    with (
        broker,
        ends(pair, url, "a", access=access, max_packet_bytes=LARGE_PACKETS) as (sender, receiver),
    ):
        for buffers, data in frames:
            sender.link.send("a", buffers)
            assert receiver.next() == ("a", data)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("wrong", ["no certificate", "a stranger's authority", "no TLS"])
def test_whoever_is_not_proved_is_not_spoken_to(link, wrong, tmp_path):
    """Neither a client without a certificate, nor a broker that our authority did not sign."""
    broker, url, authority = link_brokers.encrypted(tmp_path)
    access = Access(ca_file=authority.file)
    if wrong == "a stranger's authority":
        (tmp_path / "other").mkdir()
        certificate, key = authority.issue("client")
        stranger = link_brokers.Authority(tmp_path / "other", "stranger")
        access = Access(ca_file=stranger.file, certificate_file=certificate, key_file=key)
    if wrong == "no TLS":
        url = url.replace("mqtts", "mqtt")
    with broker:
        end = End(link, url, "a", access=access)
        try:
            with pytest.raises(BrokerUnreachableError):
                end.link.start(1.0)
        finally:
            end.link.close()


def test_websockets_are_paho_s(tmp_path):
    """Our own client does not speak them; whoever names such an address need not care."""
    port = free_port()
    broker = link_brokers.changed(f"listener {port} 127.0.0.1\nprotocol websockets\n")
    with broker, End("mqtt", f"ws://127.0.0.1:{port}/mqtt", "a") as end:
        end.link.send("a", [b"x"])

        assert isinstance(end.link, PahoLink)
        assert end.next() == ("a", b"x")
