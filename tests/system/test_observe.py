"""Reading devices' retained topics through real brokers."""

import threading

import pytest

from fleet.control.control_writer import write_retained
from fleet.control.observe import Observer
from wire import broker_url, messages
from wire.errors import MessageError
from wire.messages import Info, Reported, Route, Status
from wire.session import Session
from wire.topics import Site

pytestmark = pytest.mark.on_each_broker

TOPICS = Site("lab")
WAIT_SECONDS = 60
KINDS = ("status", "info", "reported", "desired")
ONLINE = Status(state="online", session=1, boot="b")
INFO = Info(device="a", version="1", runtimes=())
REPORTED = Reported(device="a", session=1, observed=(1, 1), applied=(1, 1))
ROUTE = Route(
    pipeline="p", generation=2, epoch=3, manifest="0" * 64, stages=(), receives=(), outputs=()
)


@pytest.fixture
def open_session(broker):
    """Return a function that opens a session with the broker."""
    opened = []

    def open_session(client_id):
        session = Session(broker_url.parse(broker.url), client_id)
        opened.append(session)
        session.start()
        session.wait_up(WAIT_SECONDS)
        return session

    yield open_session
    for session in opened:
        session.stop()


@pytest.fixture
def say(open_session):
    """Return a function that says something retained for a device."""
    session = open_session("a")

    def say(kind, message, device="a"):
        payload = message if isinstance(message, bytes) else messages.encode(kind, message)
        write_retained(session, TOPICS.device(kind, device), payload)

    return say


@pytest.fixture
def seen(open_session):
    """An observer with a session of its own."""
    with Observer(open_session("c:observer"), TOPICS) as observer:
        yield observer


def test_what_was_said_before_is_read(say, seen):
    """Retained messages come to whoever asks later."""
    for kind, message in (("status", ONLINE), ("info", INFO), ("reported", REPORTED)):
        say(kind, message)
    say("desired", b"signed elsewhere")
    seen.watch_devices(["a"])
    seen.wait(lambda: all(getattr(seen.device("a"), kind) for kind in KINDS), WAIT_SECONDS)
    found = seen.device("a")

    assert (found.status, found.info, found.reported) == (ONLINE, INFO, REPORTED)
    assert found.desired == b"signed elsewhere"
    assert found.online


def test_what_changes_meanwhile_is_seen(say, seen):
    """The observer follows; a waiting caller is woken by the message."""
    seen.watch_devices(["a"])
    timer = threading.Timer(0.1, say, ("status", ONLINE))
    timer.start()
    came = seen.wait(lambda: seen.device("a").online, WAIT_SECONDS)
    timer.join()

    assert came is True


def test_a_device_that_was_never_seen_stays_unknown(seen):
    """Silence is told from an empty answer, and ends by itself."""
    seen.watch_devices(["ghost"])

    assert seen.wait(lambda: seen.device("ghost").status, 0.3) is None
    assert seen.device("ghost").presence == "unknown"


def test_a_device_that_is_not_there_answers_no_ping(say, seen):
    """A retained `online` alone is no sign of life."""
    say("status", ONLINE)
    seen.watch_devices(["a"])
    seen.wait(lambda: seen.device("a").online, WAIT_SECONDS)

    assert seen.ping(["a"], 0.3) == ("a",)


def test_a_message_that_cannot_be_understood_is_a_problem_until_the_next(say, seen):
    """What was known before stays known."""
    say("status", ONLINE)
    seen.watch_devices(["a"])
    seen.wait(lambda: seen.device("a").online, WAIT_SECONDS)
    say("status", b"{}")
    broken = seen.wait(lambda: seen.device("a").problem, WAIT_SECONDS)
    say("status", ONLINE)
    seen.wait(lambda: seen.device("a").problem is None, WAIT_SECONDS)

    assert isinstance(broken, MessageError)
    assert seen.device("a").problem is None
    assert seen.device("a").online


def test_a_route_comes_and_is_cleared_by_an_empty_message(open_session, seen):
    """That is how an undeploy looks to everybody else."""
    session = open_session("c:deployer")
    topic = TOPICS.topic("route", pipeline="p")
    seen.watch_route("p")
    write_retained(session, topic, messages.encode("route", ROUTE))
    came = seen.wait(lambda: seen.route("p"), WAIT_SECONDS)
    write_retained(session, topic, b"")
    gone = seen.wait(lambda: seen.route("p") is None, WAIT_SECONDS)

    assert (came, gone) == (ROUTE, True)


def test_a_route_that_cannot_be_understood_is_an_error(open_session, seen):
    """A newer schema must not look like 'not deployed'."""
    session = open_session("c:deployer")
    write_retained(session, TOPICS.topic("route", pipeline="p"), b'{"schema": 9}')
    seen.watch_route("p")

    def refused():
        try:
            return seen.route("p") is not None
        except MessageError:
            return True

    assert seen.wait(refused, WAIT_SECONDS) is True
    with pytest.raises(MessageError):
        seen.route("p")
