"""A session that gets no connection says why, and goes on trying; no broker is needed for that."""

import contextlib
import socket
import threading
import time

import pytest

from wire import broker_url
from wire.access import Access
from wire.errors import AccessFileError, BrokerRefusedError, BrokerUnreachableError
from wire.reconnects import FIRST_CONTESTED_SECONDS
from wire.session import Events, Session

PATIENCE_SECONDS = 60.0
ACCEPTED = b"\x20\x03\x00\x00\x00"
"""CONNACK of MQTT 5: accepted, no properties."""
NOT_AUTHORIZED = b"\x20\x03\x00\x87\x00"


class Peer:
    """What listens where a broker should be: answers each connection with the same bytes."""

    def __init__(self, answer=b"", *, closes=True):
        self.came = []
        """When each connection came, in monotonic seconds."""
        self._answer, self._closes = answer, closes
        self._kept = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for connection in self._kept:
            connection.close()

    @property
    def connections(self):
        """How many came."""
        return len(self.came)

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.came.append(time.monotonic())
            if not self._closes:
                self._kept.append(connection)
                continue
            with connection, contextlib.suppress(OSError):
                connection.settimeout(PATIENCE_SECONDS)
                connection.recv(1 << 12)  # CONNECT
                if self._answer:
                    connection.sendall(self._answer)
                    connection.recv(1 << 12)  # SUBSCRIBE, or nothing more


class Told:
    """A session's problems, as they are told."""

    def __init__(self, url, *, events=None, **options):
        self.problems = []
        events = events or Events(problem=self.problems.append)
        self.session = Session(broker_url.parse(url), "c:test", events=events, **options)

    def __enter__(self):
        self.session.start()
        return self

    def __exit__(self, *_):
        self.session.stop()

    def until(self, claim):
        """Wait until ``claim()`` is true."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while not claim():
            assert time.monotonic() < ends, self.problems
            time.sleep(0.01)


def closed_port():
    """Return a port that refuses connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_refused_connection_is_told_once_and_tried_again():
    """The peer's first connections prove that it went on trying."""
    port = closed_port()
    with Told(f"mqtt://127.0.0.1:{port}") as told:
        told.until(lambda: told.problems)
        time.sleep(1.0)  # some attempts more
        with pytest.raises(BrokerUnreachableError, match="refused"):
            told.session.wait_up(0)

    (problem,) = told.problems
    assert (problem.code, "refused" in problem.reason) == ("broker.unreachable", True)


def test_a_name_that_does_not_resolve_is_told():
    """RFC 6761 promises that .invalid never resolves."""
    with Told("mqtt://nobody.invalid") as told:
        told.until(lambda: told.problems)

    assert isinstance(told.problems[0], BrokerUnreachableError)
    assert "name" in told.problems[0].reason.lower()


FILES = {
    "missing password": ("mqtt", "password_file", None),
    "password that is no text": ("mqtt", "password_file", b"\xff\xfe"),
    "password that is a folder": ("mqtt", "password_file", "folder"),
    "missing certificates": ("mqtts", "ca_file", None),
    "certificates that are none": ("mqtts", "ca_file", b"noise"),
    "own certificate that is none": ("mqtts", "certificate_file", b"noise"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_used_is_told_and_tried_again(name, tmp_path):
    """Its reason names the path; the session connects as soon as the file is gone from its way."""
    scheme, field, content = FILES[name]
    path = tmp_path / "secret"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    access = Access(username="u", **{field: path})
    with Told(f"{scheme}://127.0.0.1:{closed_port()}", access=access) as told:
        told.until(lambda: told.problems)
        with pytest.raises(AccessFileError):
            told.session.wait_up(PATIENCE_SECONDS)
        if field == "password_file":
            path.rmdir() if content == "folder" else path.unlink(missing_ok=True)
            path.write_text("right")
            told.until(lambda: told.problems[-1].code == "broker.unreachable")

    assert (told.problems[0].code, str(path) in told.problems[0].reason) == (
        "access.file_unusable",
        True,
    )
    others = [p.code for p in told.problems if p.code != "access.file_unusable"]
    assert others == (["broker.unreachable"] if field == "password_file" else [])


def test_whatever_the_owners_will_raises_is_told():
    """A bug in us is no end of the session's thread either."""

    def will(connection):
        raise KeyError(f"connection {connection}")

    with Told("mqtt://127.0.0.1:1", will=will) as told:
        told.until(lambda: len(told.problems) >= 2)

    assert all("connection" in problem.reason for problem in told.problems)


def test_a_refusal_is_told_once_with_the_brokers_reason():
    """It is asked again and again, since somebody may correct the password."""
    with Peer(NOT_AUTHORIZED) as peer, Told(f"mqtt://127.0.0.1:{peer.port}?protocol=5") as told:
        told.until(lambda: peer.connections > 2)
        with pytest.raises(BrokerRefusedError):
            told.session.wait_up(PATIENCE_SECONDS)

    assert [problem.reason for problem in told.problems] == ["Not authorized"]


def test_what_closes_on_both_dialects_is_told_once():
    """The first time it could have been the dialect alone."""
    with Peer() as peer, Told(f"mqtt://127.0.0.1:{peer.port}") as told:
        told.until(lambda: peer.connections > 3)

    assert [problem.reason for problem in told.problems] == ["closed before CONNACK"]


def test_a_broker_that_closes_at_the_first_subscription_is_told():
    """Some do that instead of refusing: the connection stands for a moment and is never up."""
    with Peer(ACCEPTED) as peer:
        told = Told(f"mqtt://127.0.0.1:{peer.port}?protocol=5")
        told.session.subscribe("x", 1, lambda *_: None)
        with told:
            told.until(lambda: peer.connections > 2)

    assert [problem.reason for problem in told.problems] == [
        "closed before it acknowledged SUBSCRIBE"
    ]


def test_a_broker_that_hangs_is_told_after_the_keep_alive():
    """It accepts connections, as its kernel does for it, and says nothing."""
    with (
        Peer(closes=False) as peer,
        Told(f"mqtt://127.0.0.1:{peer.port}", keepalive_seconds=1) as told,
    ):
        told.until(lambda: peer.connections > 1)

    assert [problem.reason for problem in told.problems] == ["no CONNACK within 1 s"]


def test_who_stops_a_session_is_told_nothing():
    """An attempt that was under way has not failed."""
    with Peer(closes=False) as peer, Told(f"mqtt://127.0.0.1:{peer.port}") as told:
        told.until(lambda: peer.connections)

    assert told.problems == []


def test_a_client_that_took_our_id_is_told_of_and_not_answered_in_kind():
    """MQTT 5's reason 0x8E: the owner hears of it, and the next attempt waits for seconds."""
    told_at = []
    taken = ACCEPTED + b"\xe0\x02\x8e\x00"
    with Peer(taken) as peer:
        events = Events(taken_over=lambda: told_at.append(time.monotonic()))
        with Told(f"mqtt://127.0.0.1:{peer.port}?protocol=5", events=events) as told:
            told.until(lambda: len(peer.came) > 1)

    assert peer.came[1] - told_at[0] >= FIRST_CONTESTED_SECONDS / 2
