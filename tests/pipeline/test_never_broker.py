"""Pipelines whose frames no broker may carry: they wait for direct connections, or end by name."""

import threading
import time

import msgspec
import numpy as np
import pytest

from agent.channel import DirectAccess
from fleet.control import direct_links
from paceline.errors import NotDirectError
from wire import frame
from wire.direct import endpoint, path, proving
from wire.direct.proving import Key
from wire.frame import Frame, Kind
from wire.messages import Peer, Peers, Route, RouteStage, Transfer
from wire.topics import Lane

TOKEN = "8f" * 32
HOST = "c" * 16
TENSORS = frozenset({Kind.DATA, Kind.RESULT})


class Place:
    """Stages on one host, each of one device or of replicas, and clients; the broker is watched."""

    def __init__(self, fleet, tools, folder, entry="direct", link="direct", counts=(1,), runs=()):
        self.fleet = fleet
        self.seen = []
        """Kinds of what went by the broker."""
        self.workers = []
        devices = [[f"d{stage}{'abc'[i]}" for i in range(n)] for stage, n in enumerate(counts)]
        agreed = tools.contract()

        def peers(stage):
            names = devices[stage] if 0 <= stage < len(devices) else ()
            return tuple(Peer(device=name, stage=stage) for name in names)

        for stage, names in enumerate(devices):
            around = Peers(upstream=peers(stage - 1), downstream=peers(stage + 1))
            made = msgspec.structs.replace(
                tools.chain_assignment(stage, len(counts), agreed), peers=around
            )
            (made,) = direct_links.linked([made], direct_links.Links(TOKEN))
            made = msgspec.structs.replace(made, transfer=Transfer(entry=entry, link=link))
            for name in names:
                direct = DirectAccess(folder=folder / name, host="127.0.0.1")
                runtime = tools.Scripted(*runs)
                self.workers.append(fleet.worker(made, name, runtime, direct=direct))
                self.watch(self.workers[-1].link)
        self.route = Route(
            pipeline="p", generation=1, epoch=1, manifest="m",
            stages=tuple(
                RouteStage(stage=stage, device=name, segment="s", runtime="identity")
                for stage, names in enumerate(devices)
                for name in names
            ),
            receives=agreed.receives, outputs=agreed.sends, entry_link=entry, answers_link=link,
        )  # fmt: skip

    def watch(self, link):
        """Note what is sent by the broker from now on."""
        send = link.send

        def seen(address, buffers):
            self.seen.append(frame.decode(b"".join(bytes(b) for b in buffers)).kind)
            send(address, buffers)

        link.send = seen

    def client(self, name="client-a", host=HOST, route=None):
        """Connect a client, by default on the stages' host."""
        made = self.fleet.client(route or self.route, name, host=host)
        self.watch(made.link)
        return made

    def cut(self):
        """End every direct connection; returns how many."""
        doors = [w.serving._arrivals._doorway for w in self.workers]
        doors += [w.serving._answering._doorway for w in self.workers if w.serving._answering]
        found = [c for door in doors for c in list(door._standing.values())]
        for connection in found:
            connection._stream.close()
        return len(found)


@pytest.fixture
def place(fleet, tools, tmp_path):
    """Make a place."""
    return lambda **options: Place(fleet, tools, tmp_path, **options)


def in_order(answers):
    """Whether every frame has its answer, in order."""
    assert [a.error for a in answers if a.error] == []
    return [int(a.tensors["x"][0]) for a in answers] == list(range(len(answers)))


@pytest.mark.parametrize("counts", [(1,), (1, 1), (1, 2, 1), (2, 1, 2)])
def test_from_the_first_frame_on_the_broker_sees_none(place, tools, counts):
    """Only what is said of frames goes there."""
    made = place(counts=counts)
    client = made.client()
    answers, stream = client.answers(tools.numbered(60))

    assert in_order(answers)
    assert set(made.seen) == {Kind.CREDIT}
    assert {*stream.account("p").links.values(), *stream.account("p").links_back.values()} == {
        "uds"
    }


def test_when_connections_are_cut_frames_wait_and_none_goes_by_the_broker(place):
    """Again and again under load: nothing lost, repeated or out of order, nothing seen."""
    made = place(counts=(1, 1))
    client = made.client()
    cuts, stop = [], threading.Event()

    def cutting():
        while not stop.wait(2.6):
            cuts.append(made.cut())

    def frames():
        until, number = time.monotonic() + 60, 0
        while number < 200 or sum(map(bool, cuts)) < 3:
            assert time.monotonic() < until, "it is never cut"
            yield {"x": np.full(3, number, np.float32)}
            number += 1

    thread = threading.Thread(target=cutting)
    thread.start()
    try:
        answers, _ = client.answers(frames())
    finally:
        stop.set()
        thread.join()

    assert in_order(answers)
    assert not TENSORS & set(made.seen)


@pytest.mark.parametrize(("entry", "link"), [("direct", "auto"), ("auto", "direct")])
def test_a_client_on_another_host_is_told_why_it_cannot(place, tools, monkeypatch, entry, link):
    """Its frames end with the reason, the stream with an error that says what to do."""
    monkeypatch.setattr(path, "PATIENCE_SECONDS", 0.2)
    made = place(entry=entry, link=link)
    stream = made.client(host="another").stream()
    answers = []
    with pytest.raises(NotDirectError, match=r"d0a: it is on another host.* `--link auto`"):
        answers.extend(stream.run(tools.numbered(1000), None))
    stream.close()

    assert stream.accounting.errors == {"link.not_direct": stream.accounting.submitted}
    assert stream.accounting.lost == 0
    assert not TENSORS & set(made.seen)


def test_frames_wait_for_a_first_stage_that_says_nothing_yet(place, tools):
    """It may be starting: silence is no reason, and the deadline is what ends them."""
    made = place()
    made.workers[0].link.lose = lambda address: "/cr/" in address
    answers, stream = made.client().answers(tools.numbered(1), deadline_seconds=1)

    assert [a.error.reason for a in answers] == ["frame.deadline"]
    assert stream.ended_by is None


def test_a_client_that_does_not_know_is_refused(place, tools):
    """An older one sends by the broker: its frames are not run, and it learns why."""
    made = place(link="mqtt")
    route = msgspec.structs.replace(made.route, entry_link="mqtt")
    client = made.client(host="another", route=route)
    answers, stream = client.answers(tools.numbered(5))

    assert {a.error.reason for a in answers} == {"link.not_direct"}
    assert "no frame from the broker" in answers[0].error.message
    assert made.workers[0].runtime.runs == []
    assert stream.accounting.errors == {"link.not_direct": 5}


def test_answers_to_a_client_without_a_connection_end_and_hold_up_nobody(place, tools, monkeypatch):
    """It is waited for a little, once: afterwards its answers end at once, and are not shown."""
    monkeypatch.setattr("agent.worker.answering.PATIENCE_SECONDS", 0.3)
    made = place(entry="auto")
    route = msgspec.structs.replace(made.route, answers_link="mqtt")
    away = made.client("client-b", host="another", route=route)
    answers, _ = away.answers(tools.numbered(10))
    began = time.monotonic()
    others, _ = made.client().answers(tools.numbered(20))

    assert {a.error.reason for a in answers} == {"link.not_direct"}
    assert in_order(others)
    assert time.monotonic() - began < 30
    assert Kind.RESULT not in made.seen


def test_a_client_that_came_back_has_its_answers(place, tools):
    """Its connections end behind a frame that runs: the answer waits for the next one."""
    made = place(runs=(lambda arrays: (time.sleep(0.2), arrays)[1],))
    client = made.client()
    first, _ = client.answers(tools.numbered(2))
    cutting = threading.Timer(0.1, made.cut)
    cutting.start()
    answers, _ = client.answers(tools.numbered(3))
    cutting.join()

    assert in_order(first)
    assert in_order(answers)
    assert not TENSORS & set(made.seen)


def test_a_replica_that_cannot_be_reached_directly_gets_nothing(place, tools):
    """The other one runs everything."""
    made = place(counts=(1, 2, 1))
    shut = made.workers[2].serving._arrivals
    shut.offers = lambda _sender: {"offers": []}
    answers, _ = made.client().answers(tools.numbered(40))

    assert in_order(answers)
    assert made.workers[2].runtime.runs == []
    assert len(made.workers[1].runtime.runs) == 40


def test_a_stage_that_cannot_reach_the_next_says_so(place, tools, monkeypatch):
    """Its frames wait for their time, and then end by that name; they were not shown."""
    monkeypatch.setattr(path, "PATIENCE_SECONDS", 0.2)
    made = place(counts=(1, 1))
    made.workers[1].serving._arrivals.offers = lambda _sender: {"offers": []}
    answers, _ = made.client().answers(tools.numbered(3), deadline_seconds=2)
    tools.eventually(lambda: made.workers[0].counts.refused.get("link.not_direct"))

    assert {a.error.reason for a in answers} <= {"link.not_direct", "frame.deadline"}
    assert made.workers[0].serving.snapshot().links == {"d1a": "none"}
    assert not TENSORS & set(made.seen)


def test_errors_go_by_the_broker(place, tools):
    """They hold no tensor, and whoever has no connection is to learn of them."""

    def fails(_arrays):
        raise ValueError("no")

    made = place(entry="auto", runs=(fails,))
    client = made.client("client-b", host="another")
    client.route = msgspec.structs.replace(made.route, answers_link="mqtt")
    answers, _ = client.answers(tools.numbered(3))

    assert all(a.error is not None for a in answers)
    assert Kind.ERROR in made.seen


def test_a_frame_that_cannot_go_takes_no_credit(place):
    """It is as if it had not been tried."""
    made = place()
    client = made.client(host="another")
    plane = client.plane
    sent = plane.send(
        client.route, Frame(Kind.DATA, 1, 0, meta={"client": "client-a"}), lambda f, _p: f
    )

    assert not sent
    assert plane._newest.replicas.outstanding == 0


def test_a_client_that_was_given_up_and_came_back_is_waited_for_again(place, tools, monkeypatch):
    """Its answers ended once for want of a connection: the next cut is another one."""
    patience_seconds = 2.0
    monkeypatch.setattr("agent.worker.answering.PATIENCE_SECONDS", patience_seconds)
    cuts = []

    def cutting(arrays):
        if cuts and arrays["x"][0] == 3:
            made.cut()
            cuts.pop()
        return arrays

    made = place(entry="auto", runs=(cutting,))
    away = made.client("client-b", host="another")
    away.route = msgspec.structs.replace(made.route, answers_link="mqtt")
    refused, _ = away.answers(tools.numbered(2))
    away.plane.close()
    client = made.client("client-b")
    first, _ = client.answers(tools.numbered(2))
    time.sleep(patience_seconds)
    cuts.append(1)
    answers, _ = client.answers(tools.numbered(6))

    assert {a.error.reason for a in refused} == {"link.not_direct"}
    assert in_order(first)
    assert cuts == []
    assert in_order(answers)


def test_a_client_that_confirms_nothing_holds_up_nobody(place, fleet, tools):
    """It never says what came by its last connection: the next one is used all the same."""
    made = place(entry="auto")
    mute = fleet.stranger("mute")
    lane = fleet.site.lane("d0a", "p", Lane(1, 0))
    door = made.workers[0].serving._answering

    def connect():
        told = door.offers("mute")
        address = door._doorway._door.address
        way, *_ = endpoint.ways(
            endpoint.from_meta(told["offers"]), address, link="auto", host=HOST,
            has_certificates=False,
        )  # fmt: skip
        before = door._doorway.connection("mute")
        met = proving.connect(way, Key(address=address, token=told["token"], sender="mute"), 60)
        tools.eventually(lambda: door._doorway.connection("mute") not in {None, before})
        return met.stream

    def send(sequence):
        array = np.zeros(3, np.float32)
        mute.send_frame(lane, tools.data_frame(array, sequence))

    connections = [connect()]
    send(0)
    tools.eventually(lambda: "mute" in door._used)
    connections.append(connect())
    send(1)
    tools.eventually(lambda: len(made.workers[0].runtime.runs) == 2)
    others, _ = made.client().answers(tools.numbered(20), deadline_seconds=20)

    assert in_order(others)
    assert Kind.RESULT not in made.seen
    for connection in connections:
        connection.close()


def test_a_stream_that_follows_one_that_could_not_reach_is_tried_anew(place, tools, monkeypatch):
    """There was no room for the first one; for the next one there is."""
    monkeypatch.setattr(path, "PATIENCE_SECONDS", 0.5)
    made = place()
    door = made.workers[0].serving._arrivals
    offers, door.offers = door.offers, lambda _sender: {"offers": []}
    client = made.client()
    ended, stream = client.answers(tools.numbered(3))
    door.offers = offers
    answers, _ = client.answers(tools.numbered(3))

    assert isinstance(stream.ended_by, NotDirectError)
    assert {a.error.reason for a in ended} == {"link.not_direct"}
    assert in_order(answers)
