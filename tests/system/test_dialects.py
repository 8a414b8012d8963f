"""Brokers that speak one dialect a port, and brokers with a small packet limit."""

from dataclasses import dataclass, fields

import pytest

import paceline
from paceline.demo import broker_kinds
from tests.system.chains import Chain
from tests.system.conftest import start_broker
from tests.system.feeding import Feeding

LIMIT = 64 << 10


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A model that only adds, whose frames are 1 MiB."""
    return Chain(tmp_path_factory.mktemp("wide"), 2, rows=512, width=512, layers=2, dense=False)


def one_dialect(broker, dialect):
    """Return the address of the port that speaks a dialect, without saying so."""
    return broker.urls[dialect].partition("?")[0]


@pytest.mark.on_each_broker
@pytest.mark.parametrize("dialects", [("5", "3.1.1"), ("3.1.1", "5"), ("3.1.1", "3.1.1")])
def test_agent_and_client_find_the_dialect(place, whole, dialects):
    """``auto`` against ports that close without a word on the other dialect."""
    agent, client = (one_dialect(place.broker, dialect) for dialect in dialects)
    place.start("d1", broker={"url": agent, "max_packet_bytes": 8 << 20})
    place.deploy(whole.folder, "d1")

    with paceline.connect(client) as site:
        answer = site.pipeline("p").run(whole.inputs(3))

    assert whole.right(3, answer)


@pytest.mark.on_each_broker
@pytest.mark.parametrize("dialect", ["5", "3.1.1"])
def test_a_dialect_that_is_asked_for(place, whole, dialect):
    """No trying: agent and client speak what the address says."""
    place.start("d1", broker={"url": place.broker.urls[dialect]})
    place.deploy(whole.folder, "d1")

    with paceline.connect(place.broker.urls[dialect]) as site:
        answer = site.pipeline("p").run(whole.inputs(2))
        spoken = site.session.dialect

    assert whole.right(2, answer)
    assert spoken == dialect


@dataclass(frozen=True, slots=True)
class SmallKind(broker_kinds.Kind):
    """A broker that takes no packet above 64 KiB."""

    def config(self, ports, *, root):
        """Return the same configuration, but for the limit."""
        usual = broker_kinds.Kind.config(self, ports, root=root)
        assert str(broker_kinds.MAX_PACKET_BYTES) in usual
        return usual.replace(str(broker_kinds.MAX_PACKET_BYTES), str(LIMIT))


@pytest.fixture
def broker(request):
    """The usual broker, or for tests marked ``small_packets``, one with a limit."""
    broker = start_broker(request.param)
    if "small" in request.node.name:
        usual = broker._kind
        broker._kind = SmallKind(**{f.name: getattr(usual, f.name) for f in fields(usual)})
    with broker:
        yield broker


@pytest.mark.on_each_broker
def test_large_frames_through_a_small_broker(place, wide):
    """1 MiB frames through 64 KiB packets, where both sides are told the limit."""
    place.start("d1", "d2", broker={"url": place.broker.url, "max_packet_bytes": LIMIT})
    place.deploy(wide.folder, "d1", "d2")
    with paceline.connect(place.broker.url, max_packet_bytes=LIMIT) as site:
        with Feeding(site.pipeline("p"), wide) as feeding:
            feeding.more(20)

        assert feeding.errors == {}
