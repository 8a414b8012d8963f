"""Real brokers and real agents.

``PACELINE_TEST_BROKERS`` names the brokers (``mosquitto,rumqttd``); otherwise those that are
installed. Tests marked ``on_each_broker`` run on all of them, the others on the first.
"""

import os

import pytest
import structlog

from fleet import keys
from paceline.demo import broker_kinds
from paceline.demo.broker import Broker
from paceline.demo.errors import NoBrokerError
from tests.system.chains import Chain
from tests.system.front_door import FrontDoor
from tests.system.place import Place
from wire import signing

_KNOWN = (broker_kinds.MOSQUITTO, broker_kinds.RUMQTTD)


def missing(name):
    """Return why a broker cannot be used; None: it can."""
    try:
        broker_kinds.find(name)
    except NoBrokerError as error:
        return str(error)
    return None


def brokers():
    """Return the names of the brokers to test with."""
    named = os.environ.get("PACELINE_TEST_BROKERS", "")
    asked = [name.strip() for name in named.split(",") if name.strip()]
    return asked or [name for name in _KNOWN if missing(name) is None] or [_KNOWN[0]]


def pytest_configure(config):
    """Say what the mark means."""
    config.addinivalue_line("markers", "on_each_broker: runs on every broker that is tested")


def pytest_generate_tests(metafunc):
    """Give the brokers to the tests that run on each of them."""
    if metafunc.definition.get_closest_marker("on_each_broker"):
        metafunc.parametrize("broker", brokers(), indirect=True)


def start_broker(name):
    """Return a broker to be entered; skips when it is not installed."""
    reason = missing(name)
    if reason is not None:
        pytest.skip(reason)
    return Broker(name)


@pytest.fixture
def broker(request):
    """A broker that runs."""
    with start_broker(getattr(request, "param", None) or brokers()[0]) as running:
        yield running


@pytest.fixture(scope="module")
def shared_broker():
    """A broker that runs for all tests of a file."""
    with start_broker(brokers()[0]) as running:
        yield running


@pytest.fixture
def place(broker, tmp_path):
    """A site without agents, on that broker."""
    made = Place(tmp_path, broker)
    yield made
    made.end()


@pytest.fixture
def command(place, tmp_path, monkeypatch, capsys):
    """A `FrontDoor` of that site, for a user whose key its devices trust."""
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "PACELINE_BROKER_URL", "PACELINE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    place.key = keys.load_or_make(tmp_path / ".config" / "paceline" / "signing.key")
    place.public.write_bytes(signing.public_pem(place.key))
    yield FrontDoor(place.broker.url, capsys)
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def shared_place(shared_broker, tmp_path_factory):
    """A site for all tests of a file."""
    made = Place(tmp_path_factory.mktemp("place"), shared_broker)
    yield made
    made.end()


@pytest.fixture(scope="session")
def chain(tmp_path_factory):
    """A quick model in three segments."""
    return Chain(tmp_path_factory.mktemp("chain"), 3)


@pytest.fixture(scope="session")
def slow_chain(tmp_path_factory):
    """A model in two segments of about 20 ms each, so that frames are in flight at any time."""
    return Chain(tmp_path_factory.mktemp("slow"), 2, rows=256, width=768, layers=6)


@pytest.fixture(scope="session")
def batch_chain(tmp_path_factory):
    """A model in two segments that take any number of rows."""
    return Chain(tmp_path_factory.mktemp("batch"), 2, rows=64, width=512, free=True)


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The quick model as one segment."""
    return Chain(tmp_path_factory.mktemp("whole"), 1)
