"""Workers that find a direct connection to each other, lose it, and find it again."""

import threading

import msgspec
import numpy as np
import pytest

from agent.channel import DirectAccess
from agent.worker import own_addresses
from fleet.control import direct_links
from wire.direct import certificate
from wire.direct.endpoint import LOOPBACK
from wire.messages import Peer, Peers, Route, RouteStage, Transfer

TOKEN = "8f" * 32


class Chain:
    """Two stages that may reach each other directly, and a client."""

    def __init__(self, fleet, tools, folder, link, **access):
        agreed = tools.contract()
        files = [folder / f"d{stage}.pem" for stage in (0, 1)]
        told = []
        for file in files:
            file.write_bytes(certificate.new(file.stem))
            told.append(certificate.told(file.read_bytes()))
        self.access = {"folder": folder / "direct", "host": None, **access}
        self.workers = []
        for stage in (0, 1):
            (assignment,) = direct_links.linked(
                [tools.chain_assignment(stage, 2, agreed)],
                direct_links.Links(TOKEN, {"d0": told[0], "d1": told[1]}),
            )
            assignment = msgspec.structs.replace(assignment, transfer=Transfer(link=link))
            direct = DirectAccess(certificate_file=files[stage], **self.access)
            self.workers.append(
                fleet.worker(assignment, f"d{stage}", tools.Scripted(), direct=direct)
            )
        stages = tuple(
            RouteStage(stage=i, device=f"d{i}", segment="s", runtime="identity") for i in (0, 1)
        )
        self.client = fleet.client(
            Route(
                pipeline="p", generation=1, epoch=1, manifest="m", stages=stages,
                receives=agreed.receives, outputs=agreed.sends,
            )
        )  # fmt: skip

    @property
    def link(self):
        """How frames go from the first stage to the second one now."""
        return self.workers[0].serving.snapshot().links["d1"]

    def cut(self):
        """End the direct connection that is used, from the sender's side."""
        (path,) = self.workers[0].serving._paths._paths.values()
        used = path.used
        if used is not None:
            used._stream.close()
        return used is not None


def numbers(answers):
    """Return which frames came out."""
    assert [a.error for a in answers if a.error] == []
    return [int(a.tensors["x"][0]) for a in answers]


@pytest.fixture
def chain(fleet, tools, tmp_path):
    """Make a chain."""
    return lambda link, **access: Chain(fleet, tools, tmp_path, link, **access)


@pytest.mark.parametrize(
    ("link", "access", "expected"),
    [
        ("auto", {}, "uds"),
        ("auto", {"host": "127.0.0.1"}, "uds"),
        ("tcp", {"host": "127.0.0.1"}, "tcp"),
        ("uds", {}, "uds"),
    ],
)
def test_the_best_link_is_found_and_carries_frames(chain, tools, link, access, expected):
    """Without being told where the other one is."""
    made = chain(link, **access)
    tools.eventually(lambda: made.link == expected)
    made.workers[0].link.lose = lambda address: "/in/" in address  # nothing comes by the broker
    answers, stream = made.client.answers(tools.numbered(50))

    assert numbers(answers) == list(range(50))
    assert stream.accounting.results == 50


def test_off_the_host_it_is_encrypted(chain, tools):
    """An address that is not loopback: TLS with the certificates that the assignments name."""
    (address, *_) = [a for a in own_addresses.of("0.0.0.0") if a != LOOPBACK] or [None]
    if address is None:
        pytest.skip("this machine has no address but loopback")
    made = chain("tcp", host="0.0.0.0", addresses=(address,))
    tools.eventually(lambda: made.link == "tcp")
    (path,) = made.workers[0].serving._paths._paths.values()
    answers, _ = made.client.answers(tools.numbered(50))

    assert path.used._stream._sock.version() == "TLSv1.3"
    assert numbers(answers) == list(range(50))


@pytest.mark.parametrize(
    ("link", "access"),
    [("paho", {}), ("tcp", {}), ("tcp", {"addresses": ("192.0.2.1",), "host": "127.0.0.1"})],
)
def test_without_a_way_frames_go_through_the_broker(chain, tools, link, access):
    """Nothing is offered, or nothing of it may be used: a pipeline runs all the same."""
    made = chain(link, **access)
    answers, _ = made.client.answers(tools.numbered(50))

    assert len(answers) == 50
    assert made.link == ("paho" if link == "paho" else "mqtt")


def test_a_running_stream_changes_its_link_and_loses_nothing(chain, tools):
    """The connection is cut again and again under load: nothing lost, repeated or out of order."""
    made = chain("auto")
    tools.eventually(lambda: made.link == "uds")
    cuts, stop = [], threading.Event()

    def cutting():
        while not stop.wait(0.05):
            cuts.append(made.cut())

    def frames():
        for number in range(4000):
            if number == 2000:
                tools.eventually(lambda: any(cuts))
            yield {"x": np.full(3, number, np.float32)}

    thread = threading.Thread(target=cutting)
    thread.start()
    try:
        answers, stream = made.client.answers(frames())
    finally:
        stop.set()
        thread.join()

    assert numbers(answers) == list(range(4000))
    assert stream.accounting.results == 4000
    assert sum(cuts) >= 1


def test_replicas_are_reached_directly_and_one_of_them_may_die(fleet, tools, tmp_path):
    """Each by a connection of its own; what the dead one had goes to the other."""
    peers = {
        "d0": Peers(downstream=(Peer(device="d1a", stage=1), Peer(device="d1b", stage=1))),
        "d1a": Peers(upstream=(Peer(device="d0", stage=0),)),
        "d1b": Peers(upstream=(Peer(device="d0", stage=0),)),
    }
    agreed, workers = tools.contract(), {}
    for device, known in peers.items():
        stage = int(device[1])
        assignment = msgspec.structs.replace(
            tools.chain_assignment(stage, 2, agreed),
            peers=msgspec.structs.replace(known, token=TOKEN),
            transfer=Transfer(link="auto"),
        )
        access = DirectAccess(folder=tmp_path / device)
        workers[device] = fleet.worker(assignment, device, tools.Scripted(), direct=access)
    sender = workers["d0"].serving
    tools.eventually(lambda: sender.snapshot().links == {"d1a": "uds", "d1b": "uds"})
    stages = tuple(
        RouteStage(stage=int(d[1]), device=d, segment="s", runtime="identity") for d in peers
    )
    client = fleet.client(
        Route(
            pipeline="p", generation=1, epoch=1, manifest="m", stages=stages,
            receives=agreed.receives, outputs=agreed.sends,
        )
    )  # fmt: skip
    victim = workers["d1a"]

    def frames():
        for number in range(600):
            if number == 200:
                threading.Thread(target=victim.kill).start()
            yield {"x": np.full(3, number, np.float32)}

    answers, stream = client.answers(frames())

    assert numbers(answers) == list(range(600))
    assert stream.accounting.results == 600
    assert 0 < len(victim.runtime.runs) < 600
    assert sender.snapshot().links["d1b"] == "uds"
