"""Clients that find direct connections to stages on their host, lose them, and find them again."""

import contextlib
import queue
import socket
import threading
import time

import msgspec
import numpy as np
import pytest

from agent.channel import DirectAccess
from agent.worker import data_limit, doorway, serving
from fleet.control import direct_links
from wire import codecs, frame
from wire.direct import endpoint, proving
from wire.direct.proving import Key
from wire.frame import Frame, Kind
from wire.hop import Grant
from wire.messages import Route, RouteStage, Transfer
from wire.stream_errors import StreamClosedError

TOKEN = "8f" * 32
HOST = "c" * 16
LISTENS = "0.0.0.0"


class Place:
    """One stage, or replicas of it, that may be reached directly, and its clients.

    Frames come by ``link``, answers go by ``answers``.
    """

    def __init__(
        self, fleet, tools, folder, link="auto", devices=("d0",), answers="mqtt", run=None, **access
    ):
        self.made = (run,) if run else ()
        self.fleet, self.tools, self.folder = fleet, tools, folder
        self.access = {"host": "127.0.0.1", **access}
        self.devices = devices
        self.transfer = Transfer(entry=link, link=answers)
        self.workers = []
        self.serve(1)

    def serve(self, generation):
        """Start the workers of a generation; returns the route to them."""
        agreed = self.tools.contract()
        for device in self.devices:
            (assignment,) = direct_links.linked(
                [self.tools.chain_assignment(0, 1, agreed, generation)],
                direct_links.Links(TOKEN[:-1] + str(generation)),
            )
            assignment = msgspec.structs.replace(assignment, transfer=self.transfer)
            direct = DirectAccess(folder=self.folder / device, **self.access)
            self.workers.append(
                self.fleet.worker(
                    assignment, device, self.tools.Scripted(*self.made), direct=direct
                )
            )
        self.route = Route(
            pipeline="p", generation=generation, epoch=1, manifest="m",
            stages=tuple(
                RouteStage(stage=0, device=device, segment="s", runtime="identity")
                for device in self.devices
            ),
            receives=agreed.receives, outputs=agreed.sends,
        )  # fmt: skip
        return self.route

    def client(self, name="client-a", host=HOST):
        """Connect a client on the workers' host."""
        return self.fleet.client(self.route, name, host=host)

    def connect(self, end, name):
        """Connect as a client, with the token that it is told, to one end of the first worker."""
        told = end.offers(name)
        address = end._doorway._door.address
        way, *_ = endpoint.ways(
            endpoint.from_meta(told["offers"]), address, link="auto", host=HOST,
            has_certificates=False,
        )  # fmt: skip
        return proving.connect(way, Key(address=address, token=told["token"], sender=name), 60)

    def answers_directly(self, client="client-a"):
        """Whether each worker's answers to a client go directly now."""
        return all(client in worker.serving._answering._used for worker in self.workers)

    def cut(self):
        """End every direct connection; returns how many."""
        ends = [e for w in self.workers for e in (w.serving._arrivals, w.serving._answering)]
        found = [c for end in ends for c in list(end._doorway._standing.values())]
        for connection in found:
            connection._stream.close()
        return len(found)

    def servers(self):
        """Return what listens for those who send frames."""
        return [s for worker in self.workers for s in worker.serving._arrivals._doorway._servers]

    def connected(self):
        """Return which clients each worker has a connection of."""
        return [sorted(worker.serving._arrivals._doorway._standing) for worker in self.workers]


@pytest.fixture
def place(fleet, tools, tmp_path):
    """Make a place."""
    return lambda link="auto", **options: Place(fleet, tools, tmp_path, link, **options)


def frames_until(claim, least=0):
    """Yield frames until ``claim()``, and so many at least; fail when it never is true."""
    until = time.monotonic() + 60
    number = 0
    while number < least or not claim():
        assert time.monotonic() < until, "it never came true"
        yield {"x": np.full(3, number, np.float32)}
        number += 1
        time.sleep(0.001)


def slow(link, seconds):
    """Let what comes by a link take so long, however much is under way."""
    coming, arrived = queue.SimpleQueue(), link.take
    link.take = lambda *of: coming.put((time.monotonic() + seconds, of))

    def deliver():
        while link.up:
            with contextlib.suppress(queue.Empty):
                at, of = coming.get(timeout=0.1)
                time.sleep(max(0.0, at - time.monotonic()))
                arrived(*of)

    threading.Thread(target=deliver, daemon=True).start()


def in_order(answers):
    """Whether every frame has its answer, in order."""
    assert [a.error for a in answers if a.error] == []
    return [int(a.tensors["x"][0]) for a in answers] == list(range(len(answers)))


def next_frame(stream, kind):
    """Read a connection up to the next frame of a kind."""
    head = memoryview(bytearray(frame.HEAD_BYTES))
    while True:
        stream.recv_exactly(head)
        data = memoryview(bytearray(frame.announced_bytes(head)))
        data[: frame.HEAD_BYTES] = head
        stream.recv_exactly(data[frame.HEAD_BYTES :])
        made = frame.decode(data)
        if made.kind is kind:
            return made


def tell(stream, probe, gaps=()):
    """Answer a worker's probe: all came but for the gaps."""
    hop, sent, *_ = probe.meta["hop"]
    grant = Grant(hop, 1, 0, sent, sent, sent, sent, 1 << 20, 1 << 20, gaps)
    stream.send(frame.encode(Frame(Kind.CREDIT, 0, 0, meta={"grant": grant.to_meta()})))


def told_why_not(paths):
    """Whether what was offered was tried, or found to be nothing."""
    return all(path.trouble for path in paths._paths.values())


def climbed(client, link, **expected):
    """Run frames until the client's go by a link."""
    wanted = expected or {"d0": link}
    answers, _ = client.answers(frames_until(lambda: client.plane.links == wanted))
    assert in_order(answers)


@pytest.mark.parametrize(
    ("link", "access", "expected"),
    [
        ("auto", {}, "uds"),
        ("auto", {"host": None}, "uds"),
        ("tcp", {}, "tcp"),
        ("tcp", {"host": LISTENS}, "tcp"),
        ("uds", {}, "uds"),
    ],
)
def test_a_client_on_the_entrys_host_reaches_it_directly(place, tools, link, access, expected):
    """As the pipeline's own links are chosen; nothing of its frames is at the broker any more."""
    made = place(link, **access)
    client = made.client()
    climbed(client, expected)
    client.link.lose = lambda address: "/in/" in address
    answers, stream = client.answers(tools.numbered(50))

    assert in_order(answers)
    assert stream.account("p").links == {"d0": expected}
    assert LISTENS not in [s._listener.getsockname()[0] for s in made.servers()]


@pytest.mark.parametrize(
    ("link", "access", "host"),
    [
        ("mqtt", {}, HOST),
        ("paho", {}, HOST),
        ("auto", {}, "another"),
        ("tcp", {"host": None}, HOST),
    ],
)
def test_frames_of_other_clients_go_through_the_broker(place, tools, link, access, host):
    """By the pipeline's link, from another host, or where nothing is offered."""
    made = place(link, **access)
    client = made.client(host=host)
    answers, _ = client.answers(frames_until(lambda: told_why_not(client.plane._newest.there)))
    more, _ = client.answers(tools.numbered(20))

    assert in_order(answers)
    assert in_order(more)
    assert client.plane.links == {"d0": "mqtt"}
    assert made.connected() == [[]]


def test_a_client_that_is_told_that_all_goes_by_the_broker_asks_nothing(place, tools):
    """The route says so, whatever the stages would offer."""
    made = place(answers="auto")
    made.route = msgspec.structs.replace(made.route, entry_link="mqtt", answers_link="paho")
    client = made.client()
    answers, _ = client.answers(tools.numbered(100))

    assert in_order(answers)
    assert [ways.climb for ways in (client.plane._newest.there, client.plane._newest.back)] == [
        False,
        False,
    ]
    assert made.servers() == []


def test_a_client_that_cannot_enter_the_agents_folder_takes_the_port(place):
    """Another user's: the folder is the agent's own, loopback is everybody's."""
    made = place()
    entry = made.workers[0].serving._arrivals
    entry.offers("client-b")  # as if another one had asked
    (made.folder / "d0").rename(made.folder / "elsewhere")
    client = made.client()
    climbed(client, "tcp")

    assert made.connected() == [["client-a"]]


@pytest.mark.parametrize("answers", ["auto", "tcp", "uds"])
def test_answers_to_a_client_on_the_host_come_directly(place, tools, answers):
    """By a connection of their own; nothing of them is at the broker any more."""
    made = place("mqtt", answers=answers)
    client = made.client()
    expected = {"d0": "tcp" if answers == "tcp" else "uds"}
    first, _ = client.answers(
        frames_until(lambda: made.answers_directly() and client.plane.links_back == expected)
    )
    made.workers[0].link.lose = lambda address: "/out/" in address
    more, _ = client.answers(tools.numbered(50))

    assert in_order(first)
    assert in_order(more)
    assert client.plane.links == {"d0": "mqtt"}


@pytest.mark.parametrize(("answers", "host"), [("mqtt", HOST), ("auto", "another")])
def test_answers_to_other_clients_come_by_the_broker(place, tools, answers, host):
    """By the pipeline's link, or to another host; frames may go directly all the same."""
    made = place("auto", answers=answers)
    client = made.client(host=host)
    first, _ = client.answers(frames_until(lambda: told_why_not(client.plane._newest.back)))
    more, _ = client.answers(tools.numbered(20))

    assert in_order(first)
    assert in_order(more)
    assert client.plane.links_back == {"d0": "mqtt"}
    assert not made.answers_directly()


def test_without_a_broker_it_goes_on(place, tools):
    """Where frames and answers go directly; what came before it was gone is answered, too."""
    made = place(answers="auto")
    client = made.client()
    both = {"d0": "uds"}
    first, _ = client.answers(
        frames_until(lambda: client.plane.links == both and made.answers_directly())
    )
    for link in (client.link, made.workers[0].link):
        link.close()
    more, stream = client.answers(tools.numbered(200))

    assert in_order(first)
    assert in_order(more)
    assert stream.accounting.results == 200
    assert not client.link.up


def test_answers_come_directly_however_large_they_are(place, tools):
    """An image in, a mask of some megabytes out."""

    def enlarged(arrays):
        return {"x": np.full(600_000, arrays["x"][0], np.float32)}

    made = place(answers="auto", run=enlarged)
    client = made.client()
    both = {"d0": "uds"}
    client.answers(
        frames_until(lambda: client.plane.links_back == both and made.answers_directly())
    )
    for link in (client.link, made.workers[0].link):
        link.close()
    answers, _ = client.answers(tools.numbered(20), window=4)

    assert in_order(answers)
    assert client.plane.links_back == both


def test_on_a_slow_broker_a_steady_stream_changes_over(place, tools):
    """Grants come too late for any moment without a frame on its way; so one is made."""
    made = place()
    client = made.client()
    for link in (client.link, made.workers[0].link):
        slow(link, 0.02)
    answers, _ = client.answers(frames_until(lambda: client.plane.links == {"d0": "uds"}))
    more, _ = client.answers(tools.numbered(50))

    assert in_order(answers)
    assert in_order(more)


def test_what_clients_connect_to_takes_no_port_that_others_may_need(place):
    """Those in `direct.listen` are for neighbours, and perhaps few."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
        made = place("tcp", answers="tcp", first_port=port, last_port=port)
        client = made.client()
        climbed(client, "tcp")
        client.answers(frames_until(lambda: client.plane.links_back == {"d0": "tcp"}))

        socket.create_server(("127.0.0.1", port)).close()


def test_a_client_that_reads_none_of_its_grants_holds_up_nobody(place, tools):
    """It is let go when no more goes in; sending to a neighbour may wait for longer than that."""
    made = place()
    client = made.client()
    climbed(client, "uds")
    silent = made.connect(made.workers[0].serving._arrivals, "mallory").stream
    credit = Frame(Kind.CREDIT, 0, 0, meta={"hop": [5, 0, 0, "mallory"], "client": "mallory"})

    def asking():
        with contextlib.suppress(StreamClosedError):
            while True:
                silent.send(frame.encode(credit))

    thread = threading.Thread(target=asking)
    thread.start()
    try:
        frames = frames_until(lambda: not thread.is_alive(), least=20)
        answers, _ = client.answers(frames, deadline_seconds=proving.STALL_SECONDS / 2)
    finally:
        silent.close()
        thread.join()

    assert in_order(answers)
    tools.eventually(lambda: made.connected() == [["client-a"]])


@pytest.mark.parametrize("answers", ["mqtt", "auto"])
def test_a_running_stream_changes_its_link_and_loses_nothing(place, answers):
    """The connections are cut again and again under load."""
    made = place(answers=answers)
    client = made.client()
    cuts, stop = [], threading.Event()

    def cutting():
        while not stop.wait(0.02):
            cuts.append(made.cut())

    thread = threading.Thread(target=cutting)
    thread.start()
    try:
        answers, stream = client.answers(frames_until(lambda: sum(cuts) > 4, least=3000))
    finally:
        stop.set()
        thread.join()

    assert in_order(answers)
    assert stream.accounting.results == len(answers)


def test_the_route_moves_and_the_client_climbs_at_the_new_entry(place):
    """Its connections to the old one go with that."""
    made = place(answers="auto")
    client = made.client()
    climbed(client, "uds")
    before = made.workers.pop()
    client.route = made.serve(2)
    first, _ = client.answers(
        frames_until(lambda: made.connected() == [["client-a"]] and made.answers_directly())
    )
    before.drain()
    answers, _ = client.answers(
        frames_until(lambda: not before.serving._arrivals._doorway._standing, least=20)
    )

    assert in_order(first)
    assert in_order(answers)
    assert client.plane.links == {"d0": "uds"}


def test_replicas_are_reached_each_and_one_of_them_may_die(place):
    """What the dead one had is sent to the other."""
    made = place(devices=("d0", "d1"), answers="auto")
    client = made.client()
    climbed(client, "uds", d0="uds", d1="uds")
    victim = made.workers[0]

    def frames():
        for number in range(600):
            if number == 200:
                threading.Thread(target=victim.kill).start()
            yield {"x": np.full(3, number, np.float32)}

    answers, stream = client.answers(frames())

    assert in_order(answers)
    assert stream.accounting.results == 600
    assert client.plane.links["d1"] == "uds"


def test_a_worker_keeps_no_connection_of_a_client_that_went(place, tools):
    """And its clients, like itself, do without each other."""
    made = place()
    first, second = made.client("client-a"), made.client("client-b")
    climbed(first, "uds")
    climbed(second, "uds")
    both = made.connected()
    first.plane.close()
    tools.eventually(lambda: made.connected() == [["client-b"]])
    answers, _ = second.answers(tools.numbered(20))

    assert both == [["client-a", "client-b"]]
    assert in_order(answers)


def test_a_client_that_takes_no_answers_holds_up_the_others_for_a_moment(place, fleet, tools):
    """One that is stopped, say: its connection is given up, and its answers go to the broker."""
    made = place("mqtt", answers="uds")
    client, sleeper = made.client("client-a"), fleet.stranger("sleeper")
    answering = made.workers[0].serving._answering
    asleep = made.connect(answering, "sleeper").stream
    tools.eventually(lambda: answering._doorway.connection("sleeper"))
    large = codecs.tensors({"x": np.zeros(16_000, np.float32)})
    for sequence in range(40):
        data = Frame(Kind.DATA, 7, sequence, generation=1, tensors=large)
        sleeper.send_frame(fleet.lane(), data)
    answers, _ = client.answers(tools.numbered(50))
    tools.eventually(lambda: answering._doorway.connection("sleeper") is None)
    asleep.close()

    assert in_order(answers)


def test_a_worker_stays_until_its_last_direct_answers_have_come(place, fleet, tools, monkeypatch):
    """No broker keeps them: what its client has missed is sent again before it ends."""
    monkeypatch.setattr(serving, "DRAIN_QUIET_SECONDS", 0.0)
    gate = threading.Event()
    made = place("mqtt", answers="uds", run=lambda arrays: arrays if gate.wait(60) else {})
    (worker,) = made.workers
    stranger = fleet.stranger("client-b")
    stream = made.connect(worker.serving._answering, "client-b").stream
    tools.eventually(lambda: worker.serving._answering._doorway.connection("client-b"))
    stranger.send_frame(fleet.lane(), tools.data_frame(np.zeros(3, np.float32)))
    tools.eventually(lambda: worker.runtime.runs)
    worker._closing.set()
    gate.set()

    result, probe = (next_frame(stream, kind) for kind in (Kind.RESULT, Kind.CREDIT))
    tell(stream, probe, gaps=((0, 1),))
    again = next_frame(stream, Kind.RESULT)
    while probe.meta["hop"][1] < 2:
        probe = next_frame(stream, Kind.CREDIT)
    tell(stream, probe)
    worker.join()
    stream.close()

    assert result.sequence == again.sequence
    assert [made.meta["hop"][1] for made in (result, again)] == [0, 1]


def test_a_connection_that_ends_as_answers_change_over_to_it_is_not_kept(place, fleet, tools):
    """They stay on the broker's link."""
    made = place("mqtt", answers="uds")
    (worker,) = made.workers
    answering = worker.serving._answering
    stream = made.connect(answering, "client-b").stream
    tools.eventually(lambda: answering._doorway.connection("client-b"))
    readers = answering._doorway.connection("client-b").readers

    def ending(_address):
        stream.close()
        return readers.over.wait(60)

    by = answering.to(fleet.site.topic("out", pipeline="p", client="client-b"), ending)

    assert by is None
    assert answering._used == {}


def test_without_a_broker_errors_for_others_hold_up_nobodys(place, tools):
    """Of a client that is reached by the broker alone; it is told when that is back."""
    gate, heard = threading.Event(), []

    def failing(arrays):
        if len(arrays["x"]) == 3:
            return arrays
        gate.wait(60)
        raise tools.failure("too long")

    made = place(answers="auto", run=failing)
    (worker,) = made.workers
    near, far = made.client("near"), made.client("far", host="another")
    near.answers(
        frames_until(
            lambda: (
                near.plane.links_back == {"d0": "uds"} == near.plane.links
                and made.answers_directly("near")
            )
        )
    )
    waiting = threading.Thread(target=lambda: heard.extend(far.answers(tools.numbered(1, 4))[0]))
    waiting.start()
    tools.eventually(lambda: len(worker.runtime.runs[-1]["x"]) == 4)
    worker.link._up = False
    gate.set()
    found, _ = near.answers(tools.numbered(20, 4), deadline_seconds=10)
    worker.link._up = True
    waiting.join()

    assert {answer.error.reason for answer in (*found, *heard)} == {"runtime.failed"}


@pytest.mark.parametrize("scarce", ["connections", "memory"])
def test_more_clients_than_there_is_room_for_go_by_the_broker(place, tools, monkeypatch, scarce):
    """Nobody is put out for them."""
    made = place()
    first, second = made.client("client-a"), made.client("client-b")
    climbed(first, "uds")
    if scarce == "connections":
        monkeypatch.setattr(doorway, "MAX_CLIENTS", 1)
    else:
        monkeypatch.setattr(data_limit, "has_room", lambda size_bytes: size_bytes < 1 << 20)
    answers, _ = second.answers(frames_until(lambda: told_why_not(second.plane._newest.there)))
    more, _ = second.answers(tools.numbered(50))

    assert in_order(answers)
    assert in_order(more)
    assert second.plane.links == {"d0": "mqtt"}
    assert made.connected() == [["client-a"]]


def test_where_there_is_no_room_a_client_is_told_of_nothing_and_nothing_is_opened(
    place, monkeypatch
):
    """What waits for connections takes memory, too: two threads."""
    made = place()
    entry = made.workers[0].serving._arrivals
    with monkeypatch.context() as scarce:
        scarce.setattr(data_limit, "has_room", lambda _size_bytes: False)
        told = entry.offers("client-a")
        opened = list(entry._doorway._servers)
    climbed(made.client(), "uds")

    assert told == {"offers": []}
    assert opened == []


def test_who_is_told_of_an_entry_and_comes_when_it_is_full_is_sent_away(place, monkeypatch):
    """It may have been told while there was room."""
    made = place()
    entry = made.workers[0].serving._arrivals
    first = made.connect(entry, "client-a").stream
    second = None
    try:
        told = entry.offers("client-b")
        monkeypatch.setattr(doorway, "MAX_CLIENTS", 1)
        monkeypatch.setattr(entry, "offers", lambda _client: told)
        second = made.connect(entry, "client-b").stream
        with pytest.raises(StreamClosedError):
            second.recv_some(memoryview(bytearray(1)))

        assert made.connected() == [["client-a"]]
    finally:
        first.close()
        if second is not None:
            second.close()


def test_an_account_tells_how_frames_went_after_all_is_closed(place, tools):
    """Who reads it behind `with paceline.connect()` has no connection any more."""
    made = place(answers="auto")
    client = made.client()
    climbed(client, "uds")
    _, stream = client.answers(frames_until(lambda: client.plane.links_back == {"d0": "uds"}))
    there, back = client.plane._newest.there, client.plane._newest.back
    client.plane.close()
    tools.eventually(lambda: there.links() == {"d0": "mqtt"} == back.links())

    account = stream.account("p")
    assert account.links == account.links_back == {"d0": "uds"}
