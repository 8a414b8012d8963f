"""Which way frames go: the broker's link first, a direct connection when nothing is on its way."""

import contextlib
import ipaddress
import itertools
import queue
import socket
import threading
import time
from dataclasses import replace

import msgspec
import psutil
import pytest

from agent.channel import DirectAccess
from agent.worker import own_addresses
from agent.worker.arrivals import Arrivals
from agent.worker.paths import to_next_stage
from agent.worker.stats import Stats
from wire import frame
from wire.direct import path, paths, sockets
from wire.direct.endpoint import LOOPBACK, MAX_ADDRESSES
from wire.errors import LinkDownError
from wire.frame import Frame, Kind
from wire.messages import Transfer

TOKEN = "8f" * 32
SECONDS = 60


class Wire:
    """A broker's link that keeps what is sent."""

    reads_on = False

    def __init__(self):
        self.up = True
        self.sent = []

    def send(self, address, buffers):
        """Keep it."""
        self.sent.append((address, b"".join(bytes(b) for b in buffers)))


class Pair:
    """A sender and the receiver of its frames; the broker between them is only a list."""

    def __init__(self, made, folder, link="auto", token=TOKEN, host=None):
        self.access = DirectAccess(folder=folder / "direct", host=host)
        self.wire = Wire()
        self.grants, self.taken = queue.Queue(), queue.Queue()
        self.changes = queue.Queue()
        sending = _linked(made.stage(1), link, token)
        self.address = sending.next_address(sending.downstream[0])
        self.paths = to_next_stage(
            sending, self.wire, self.access,
            receive=self.grants.put,
            changed=lambda: self.changes.put(1),
        )  # fmt: skip
        stage = _linked(made.stage(2, upstream=("d1",), downstream=()), link, token)
        self.stage = replace(stage, device="d2")
        self.stats = Stats()
        self.arrivals = Arrivals(
            self.stage, self.wire, self.access, self.stats, self._take, lambda _: None, 1 << 20
        )

    def _take(self, data, *, may_work):
        self.taken.put((may_work, bytes(data)))

    def climb(self):
        """Ask, answer, connect, switch."""
        (due,) = self.paths.due(time.monotonic() + 100)
        assert due.offers
        self.paths.offered(self.address, self.arrivals.offers("d1")["offers"])
        self.changes.get(timeout=SECONDS)
        self.paths.switch_ready(time.monotonic(), lambda _: True)

    def until_ready(self):
        """Wait for a connection that stands."""
        ends = time.monotonic() + SECONDS
        while not self.paths.some_ready:
            assert time.monotonic() < ends
            time.sleep(0.005)

    def until_back(self):
        """Wait until it is told that the broker's link is used again."""
        self.changes.get(timeout=SECONDS)
        assert self.link == "mqtt"

    @property
    def link(self):
        """What frames go by now."""
        return self.paths.links()["d2"]

    def end(self):
        """Close both."""
        self.paths.close()
        self.arrivals.close()


def _linked(stage, link, token):
    peers = msgspec.structs.replace(stage.assignment.peers, token=token)
    assignment = msgspec.structs.replace(
        stage.assignment, peers=peers, transfer=Transfer(link=link)
    )
    return replace(stage, assignment=assignment)


def encoded(number):
    """Return a small frame."""
    return frame.encode(Frame(Kind.CREDIT, 0, number))


@pytest.fixture
def pair(made, tmp_path, monkeypatch):
    """Make pairs that are closed with the test, and are in no hurry to connect."""
    monkeypatch.setattr(paths, "TRY_SECONDS", SECONDS)
    pairs = []

    def make(**options):
        pairs.append(Pair(made, tmp_path, **options))
        return pairs[-1]

    yield make
    for one in pairs:
        one.end()


def test_it_begins_on_the_brokers_link(pair):
    """Until something better is agreed on."""
    made = pair()
    made.paths.send(made.address, encoded(1))

    assert [address for address, _ in made.wire.sent] == [made.address]
    assert made.link == "mqtt"


def test_frames_and_grants_go_by_the_connection(pair):
    """Both ways; nothing by the broker any more."""
    made = pair()
    made.climb()
    made.paths.send(made.address, encoded(1))
    may_work, data = made.taken.get(timeout=SECONDS)
    granted = made.arrivals.send("d1", encoded(2))

    assert (may_work, data) == (True, b"".join(encoded(1)))
    assert granted
    assert bytes(made.grants.get(timeout=SECONDS)) == b"".join(encoded(2))
    assert made.wire.sent == []
    assert made.link == "uds"


def test_it_changes_only_when_nothing_is_on_its_way(pair):
    """Else a frame could overtake another."""
    made = pair()
    made.paths.due(0)
    made.paths.offered(made.address, made.arrivals.offers("d1")["offers"])
    made.until_ready()
    made.paths.switch_ready(0, lambda _: False)
    before = made.link
    made.paths.switch_ready(0, lambda _: True)

    assert (before, made.link) == ("mqtt", "uds")


def test_where_something_is_always_on_its_way_it_is_held_back_for_a_moment(pair):
    """The receiver is asked how far it is; without an answer frames go on after a second."""
    made = pair()
    now = time.monotonic()
    made.paths.due(now)
    made.paths.offered(made.address, made.arrivals.offers("d1")["offers"])
    made.until_ready()
    later = time.monotonic() + path.HOLD_AFTER_SECONDS
    held = [made.paths.hold(now), made.paths.hold(later)]
    (told,) = made.paths.due(now)
    held += [made.paths.hold(later + at) for at in (0.5, path.HOLD_SECONDS + 0.1, 2.0)]
    again = made.paths.due(now)

    assert held == [False, True, True, False, False]
    assert (told.address, told.offers) == (made.address, False)
    assert again == []
    assert made.paths.hold(later + 60)


def test_after_a_break_it_is_on_the_brokers_link_and_says_how_far_it_is(pair):
    """The receiver must learn at once what it misses; the next question comes later."""
    made = pair()
    made.climb()
    made.arrivals.close()
    made.until_back()
    now = time.monotonic()
    (due,) = made.paths.due(now)
    made.paths.send(made.address, encoded(3))

    assert not due.offers
    assert made.paths.due(now) == []
    assert [d.offers for d in made.paths.due(now + 60)] == [True]
    assert made.wire.sent == [(made.address, b"".join(encoded(3)))]


def test_a_frame_into_a_broken_connection_is_not_silently_gone(pair):
    """Whoever sends it is told, or the break is."""
    made = pair()
    made.climb()
    made.arrivals.close()

    with pytest.raises(LinkDownError):
        _send_until_refused(made)


def test_a_connection_on_which_nobody_answers_is_given_up(pair):
    """Its other side may be gone without a word."""
    made = pair()
    made.climb()
    made.paths.doubt(made.address)
    made.until_back()

    assert made.link == "mqtt"


def test_questions_become_rarer(pair):
    """One that never answers is of another version, or offers nothing."""
    made = pair()
    asked = [now for now in range(600) if made.paths.due(float(now))]

    assert 9 < len(asked) < 40
    assert all(b - a <= 61 for a, b in itertools.pairwise(asked))


def test_no_thread_waits_for_offers(pair):
    """It is there while something is tried: a client has had many routes after a while."""
    made = pair()
    made.paths.due(0)
    made.paths.offered(made.address, [])
    made.paths.offered(made.address, made.arrivals.offers("d1")["offers"])
    made.until_ready()
    until = time.monotonic() + SECONDS
    while any(thread.name == "direct paths" for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_try_that_breaks_in_an_unknown_way_is_not_the_last(pair, monkeypatch):
    """What nobody thought of ends one try, and the next offer is tried again."""
    made = pair()
    made.paths.due(0)
    broken = threading.Event()

    def fails(*_):
        broken.set()
        raise ArithmeticError

    with monkeypatch.context() as patched:
        patched.setattr(paths.proving, "connect", fails)
        made.paths.offered(made.address, made.arrivals.offers("d1")["offers"])
        assert broken.wait(SECONDS)
        made.paths._thread.join(SECONDS)
    made.paths.offered(made.address, made.arrivals.offers("d1")["offers"])
    made.until_ready()


@pytest.mark.parametrize("options", [{"link": "mqtt"}, {"token": ""}])
def test_nobody_is_asked_where_links_are_the_brokers(pair, options):
    """And without a token nobody could prove itself."""
    made = pair(**options)
    made.paths.offered(made.address, made.arrivals.offers("d1")["offers"])

    assert made.paths.due(100.0) == []
    assert made.link == "mqtt"


@pytest.mark.parametrize(
    "offers", [None, "x", [], [{"link": "uds", "folder": "/nowhere", "host": "c"}]]
)
def test_offers_that_lead_nowhere_leave_it_where_it_is(pair, offers):
    """It is asked again later."""
    made = pair()
    made.paths.due(0.0)
    made.paths.offered(made.address, offers)
    made.paths.offered("another/address", offers)
    made.paths.send(made.address, encoded(1))

    assert len(made.wire.sent) == 1
    assert made.paths.due(100.0)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_addresses_are_those_that_netlink_tells(host):
    """It is not asked: the unit does not let it be."""
    families = {socket.AF_INET} if host == "0.0.0.0" else {socket.AF_INET, socket.AF_INET6}
    told = psutil.net_if_addrs()
    addresses = {
        entry.address
        for name, state in psutil.net_if_stats().items()
        for entry in told.get(name, ())
        if state.isup and entry.family in families and "%" not in entry.address
    }
    expected = {LOOPBACK, *(a for a in addresses if not ipaddress.ip_address(a).is_loopback)}
    found = own_addresses.of(host)

    assert set(found) <= expected
    assert len(found) == min(len(expected), MAX_ADDRESSES)


def test_a_door_that_fails_half_way_is_opened_once(pair, monkeypatch):
    """What nobody thought of must not cost two sockets and their threads for each question."""
    made = pair(host="0.0.0.0")
    doorway = made.arrivals._doorway

    def fails(_host):
        raise ArithmeticError

    with monkeypatch.context() as broken:
        broken.setattr(own_addresses, "of", fails)
        with pytest.raises(ArithmeticError):
            made.arrivals.offers("d1")
    offered = [made.arrivals.offers("d1")["offers"] for _ in range(5)]

    assert {offer["link"] for offers in offered for offer in offers} == {"uds"}
    assert len(doorway._servers) == 2


def test_an_address_that_the_device_gets_later_is_offered(pair, tmp_path, monkeypatch):
    """A cable is plugged in, or a lease ends: the next question is answered with what is now."""
    seen = tmp_path / "if_inet6"
    monkeypatch.setattr(own_addresses, "IPV6", seen)
    made = pair(host="::")
    before = made.arrivals.offers("d1")["offers"][-1]
    seen.write_text("20010db8000000000000000000000007 01 80 00 80       lo\n")

    after = made.arrivals.offers("d1")["offers"][-1]

    assert "2001:db8::7" not in before["addresses"]
    assert "2001:db8::7" in after["addresses"]
    assert after["port"] == before["port"]


def test_a_worker_that_nobody_asks_opens_nothing(pair):
    """Its sockets are made for the first question, and go with it."""
    made = pair()
    before = made.access.folder.exists()
    made.arrivals.offers("d1")
    during = list(made.access.folder.iterdir())
    made.end()

    assert not before
    assert len(during) == 1
    assert list(made.access.folder.iterdir()) == []


def test_a_sender_that_comes_again_replaces_its_old_connection(pair):
    """It has given the old one up: one for each sender at most."""
    made = pair()
    made.climb()
    made.paths.doubt(made.address)
    made.until_back()
    made.paths.due(time.monotonic() + 100)
    made.paths.offered(made.address, made.arrivals.offers("d1")["offers"])
    made.until_ready()
    made.paths.switch_ready(0, lambda _: True)
    made.paths.send(made.address, encoded(1))

    made.taken.get(timeout=SECONDS)
    assert len(made.arrivals._doorway._standing) == 1


def test_a_grant_is_answered_where_it_was_asked(pair):
    """A sender that is back on the broker's link hears us there, whatever stands elsewhere."""
    made = pair()
    answers = []
    made.arrivals._take = lambda *_, **__: answers.append(made.arrivals.send("d1", encoded(2)))
    made.climb()
    made.paths.send(made.address, encoded(1))
    ends = time.monotonic() + SECONDS
    while not answers and time.monotonic() < ends:
        time.sleep(0.005)
    made.arrivals.take(made.address, b"by the broker")

    assert answers == [True, False]
    assert not made.arrivals.send("d1", encoded(3))


def test_strangers_at_the_socket_are_counted(pair, tmp_path):
    """They get nothing, and the device's telemetry shows them."""
    made = pair()
    made.arrivals.offers("d1")
    (path,) = made.access.folder.iterdir()
    way = sockets.Way("uds", str(path), 0, encrypted=False)
    with sockets.connect(way, SECONDS) as sock:
        sock.sendall(b"x" * 100)
        sock.settimeout(SECONDS)
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(1) == b""
    ends = time.monotonic() + SECONDS
    while not _refused(made) and time.monotonic() < ends:
        time.sleep(0.005)

    assert _refused(made) == {"direct.refused": 1}


def _refused(made):
    return made.stats.snapshot(pipeline="p", generation=1, stage=1, instance=1).counts.refused


def _send_until_refused(made):
    for _ in range(1000):
        made.paths.send(made.address, encoded(3))
        if made.link == "mqtt":
            raise LinkDownError("back")


def test_who_cannot_be_let_in_for_want_of_a_thread_is_told_of_nothing(pair, monkeypatch):
    """It stays on the broker's link, and no socket is left open for it."""
    made = pair(host="127.0.0.1")
    start, listen, listening = threading.Thread.start, socket.socket.listen, []

    def scarce(thread):
        if thread.name == "direct server":
            raise RuntimeError("can't start new thread")
        start(thread)

    def noted(sock, *of):
        listening.append(sock)
        listen(sock, *of)

    monkeypatch.setattr(socket.socket, "listen", noted)
    monkeypatch.setattr(threading.Thread, "start", scarce)

    assert made.arrivals.offers("d1")["offers"] == []
    assert [sock.fileno() for sock in listening] == [-1, -1]


@pytest.mark.parametrize("name", ["direct paths", "uds d2"])
def test_who_has_no_thread_for_a_connection_says_so_where_no_broker_may_be_used(
    pair, monkeypatch, name
):
    """It is tried again all the while, and whoever waits for it learns why in the end."""
    made = pair(link="direct")
    start = threading.Thread.start

    def scarce(thread):
        if thread.name.startswith(name):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(path, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(threading.Thread, "start", scarce)
    ends = time.monotonic() + SECONDS
    while not (why := made.paths.unreachable()):
        assert time.monotonic() < ends, "it is never said"
        made.paths.offered(made.address, made.arrivals.offers("d1")["offers"])
        time.sleep(0.02)

    assert "can't start new thread" in why
