"""Direct connections between real agents: found, cut under load, and found again."""

import contextlib
import os
import signal

import psutil
import pytest

from tests.system.chains import Chain
from tests.system.feeding import Feeding
from tests.system.place import until
from tests.system.proxy import Proxy
from tests.system.test_network_faults import Wire
from wire import frame
from wire.errors import FrameError
from wire.frame import Kind


def link(place, device, neighbour):
    """Return what frames go by from a device to its neighbour, as its telemetry says."""
    latency = place.ear.last("tele/latency", device)
    return latency.stages[0].links.get(neighbour) if latency and latency.stages else None


def changes(place, device="d1"):
    """Return each change of a device's link."""
    return [(line["from"], line["to"]) for line in place.log(device, "link.changed")]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A quick model in two segments."""
    return Chain(tmp_path_factory.mktemp("pair"), 2)


@pytest.fixture
def proxy(place):
    """What stands between two agents: d2 listens to 127.0.0.1, d1 is told 127.0.0.2."""
    made = Proxy("127.0.0.2", place.port())
    yield made
    made.close()


def start(place, port=None, **changed):
    """Start two agents; d2 can be reached at a port through the proxy alone."""
    place.start("d1", **changed)
    if port is not None:
        changed["direct"] = {"listen": f"127.0.0.1:{port}", "addresses": ["127.0.0.2"]}
    place.start("d2", **changed)


def test_stages_on_one_host_find_the_unix_socket(place, chain):
    """`auto` takes the best that both can reach; the telemetry says which."""
    place.start("d1", "d2", "d3")
    place.deploy(chain.folder, "d1", "d2", "d3", link="auto")

    with Feeding(place.site.pipeline("p"), chain) as feeding:
        until(lambda: link(place, "d1", "d2") == "uds", "the socket")
        until(lambda: link(place, "d2", "d3") == "uds", "the other socket")
        feeding.more(200)

    assert feeding.errors == {}
    assert changes(place, "d1")[-1][1] == "uds"


def test_a_client_on_the_first_devices_host_reaches_it_directly(place, pair):
    """It climbs beside its stream, and again after the worker that it was connected to died."""
    start(place)
    place.deploy(pair.folder, "d1", "d2", link="auto")
    pipeline = place.site.pipeline("p")

    def is_by(link):
        return lambda: pipeline.account is not None and pipeline.account.links == {"d1": link}

    with Feeding(pipeline, pair) as feeding:
        until(is_by("uds"), "the client's own direct link")
        feeding.more(100)
        (worker,) = place.workers("d1")
        os.kill(worker, signal.SIGKILL)
        until(is_by("mqtt"), "the broker's link")
        until(is_by("uds"), "the direct link to the next worker")
        feeding.more(100)

    assert feeding.errors == {}
    assert [a.sequence for a in feeding.answers] == list(range(len(feeding.answers)))


def test_on_one_host_it_goes_on_without_a_broker(place, pair):
    """Frames, what is between the stages, and answers all go directly: nothing waits for it."""
    start(place)
    place.deploy(pair.folder, "d1", "d2", link="auto")
    pipeline = place.site.pipeline("p")

    def is_direct():
        told = pipeline.account
        return (
            told is not None
            and (told.links, told.links_back) == ({"d1": "uds"}, {"d2": "uds"})
            and link(place, "d1", "d2") == "uds"
        )

    with Feeding(pipeline, pair) as feeding:
        until(is_direct, "direct links all the way")
        feeding.more(50)
        place.broker.stop()
        feeding.more(300)
        place.broker.start()
        feeding.more(50)

    assert feeding.errors == {}
    assert [a.sequence for a in feeding.answers] == list(range(len(feeding.answers)))


def test_no_tensor_is_at_the_broker_where_none_may_be(place, pair):
    """From the first frame on, through killed workers and another generation; none is lost."""
    kinds = []

    def heard(_topic, payload):
        with contextlib.suppress(FrameError):
            kinds.append(frame.decode(payload).kind)

    place.ear.session.subscribe("#", 0, heard)
    start(place)
    place.deploy(pair.folder, "d1", "d2", link="direct")
    pipeline = place.site.pipeline("p")

    with Feeding(pipeline, pair, deadline_seconds=60) as feeding:
        feeding.more(50)
        for device in ("d1", "d2"):
            (worker,) = place.workers(device)
            os.kill(worker, signal.SIGKILL)
            feeding.more(50)
        place.deploy(pair.folder, "d2", "d1", link="direct")
        feeding.more(50)

    assert feeding.errors == {}
    assert [a.sequence for a in feeding.answers] == list(range(len(feeding.answers)))
    assert (pipeline.account.links, pipeline.account.links_back) == ({"d2": "uds"}, {"d1": "uds"})
    assert set(kinds) == {Kind.CREDIT}


def test_what_clients_send_can_be_kept_to_the_broker(place, pair):
    """`entry=mqtt`: every frame that enters is to be seen there, between stages none."""
    start(place)
    place.deploy(pair.folder, "d1", "d2", link="auto,entry=mqtt")
    pipeline = place.site.pipeline("p")
    with Feeding(pipeline, pair) as feeding:
        until(lambda: link(place, "d1", "d2") == "uds", "the direct link between the stages")
        feeding.more(100)

    assert pipeline.account.links == {"d1": "mqtt"}
    assert feeding.errors == {}


def test_a_direct_connection_that_is_cut_again_and_again(place, pair, proxy):
    """Nothing is lost, repeated or out of order at the client, whatever link is used."""
    start(place, proxy.port)
    place.deploy(pair.folder, "d1", "d2", link="tcp")
    cuts = 0
    with Feeding(place.site.pipeline("p"), pair, window=16) as feeding:
        until(lambda: link(place, "d1", "d2") == "tcp", "the direct link")
        for number in range(3):
            until(
                lambda number=number: (
                    changes(place).count(("mqtt", "tcp")) > number and proxy.carries
                ),
                "a direct link in use",
            )
            feeding.more(300)
            cuts += proxy.cut()
            feeding.more(100)
        until(lambda: changes(place).count(("tcp", "mqtt")) >= 3, "the third change to the broker")

    assert cuts >= 3
    assert feeding.errors == {}
    assert [a.sequence for a in feeding.answers] == list(range(len(feeding.answers)))
    assert changes(place).count(("mqtt", "tcp")) >= 3


def test_a_connection_that_says_nothing_any_more(place, pair, proxy):
    """Half open: nobody closes it, nothing comes through. The hop is back on the broker in time."""
    start(place, proxy.port)
    place.deploy(pair.folder, "d1", "d2", link="tcp")
    with Feeding(place.site.pipeline("p"), pair) as feeding:
        until(lambda: link(place, "d1", "d2") == "tcp", "the direct link")
        feeding.more(50)
        proxy.silence()
        feeding.more(200)
        proxy.mend()
        feeding.more(50)

    assert feeding.errors == {}
    assert ("tcp", "mqtt") in changes(place)


def test_agents_on_two_networks_speak_tls(place, pair):
    """Between two hosts (a namespace with its own network): the certificates of the assignment."""
    with contextlib.closing(Wire()) as wire:
        port = place.broker.url.rpartition(":")[2]
        place.programs["d2"] = wire.program
        with contextlib.closing(_broker_for(wire, port)):
            place.start("d1")
            place.start(
                "d2",
                broker={"url": f"mqtt://{wire.ours}:{port}"},
                insecure=True,
                artifacts={"origin": f"http://{wire.ours}:{place.artifacts.rpartition(':')[2]}"},
            )
            until(lambda: place.ear.last("info", "d2"), "the birth")
            place.artifacts = f"0.0.0.0:{place.artifacts.rpartition(':')[2]}"
            place.deploy(pair.folder, "d1", "d2", link="tcp")
            with Feeding(place.site.pipeline("p"), pair) as feeding:
                until(lambda: link(place, "d1", "d2") == "tcp", "the direct link")
                feeding.more(200)
                peers = {c.raddr.ip for c in _connections(place, "d1") if c.raddr}

    assert feeding.errors == {}
    assert wire.theirs in peers


def _connections(place, device):
    """Return the TCP connections of a device's workers."""
    return [c for pid in place.workers(device) for c in psutil.Process(pid).net_connections("tcp")]


def _broker_for(wire, port):
    return Proxy(wire.ours, int(port))
