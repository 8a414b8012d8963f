"""The client's connection: credit asked for and kept to, answers to whom they belong."""

import msgspec
import numpy as np
import pytest

from paceline.dataplane import RESULTS_UNTOLD, DataPlane
from wire import codecs, frame
from wire.errors import LinkDownError
from wire.frame import Frame, Kind
from wire.hop import Grant, Position
from wire.messages import Route, RouteStage
from wire.topics import Site

OUT = "paceline/v1/default/p/p/out/c"
CREDIT = "paceline/v1/default/p/p/cr/c"


def route(generation=1, device="d0"):
    """Return a route to one stage."""
    stage = RouteStage(stage=0, device=device, segment="s", runtime="identity")
    return Route(
        pipeline="p", generation=generation, epoch=1, manifest="m", stages=(stage,),
        receives=(), outputs=(),
    )  # fmt: skip


class Wire:
    """A link that keeps what is sent and brings what the test says."""

    def __init__(self):
        self.up = True
        self.sent = []
        self.asked = []
        """Questions for direct links."""
        self.listening = {}

    def listen(self, address, receive):
        """Remember it."""
        self.listening[address] = receive

    def send(self, address, buffers):
        """Keep a frame."""
        if not self.up:
            raise LinkDownError("test")
        data = b"".join(memoryview(b).cast("B") for b in buffers)
        made = frame.decode(data)
        (self.asked if "offers" in made.meta else self.sent).append((address, made))

    def bring(self, address, made):
        """Deliver a frame."""
        self.listening[address](address, b"".join(memoryview(b) for b in frame.encode(made)))


class Recipient:
    """A stream that notes what it hears."""

    def __init__(self):
        self.heard = []

    def answered(self, made):
        """Note an answer."""
        self.heard.append((made.kind, made.sequence))

    def lost(self, loss):
        """Note a loss."""
        self.heard.append((loss.code, loss.key.sequence))


class Desk:
    """A plane, its wire, and one stream."""

    def __init__(self):
        self.wire = Wire()
        self.plane = DataPlane(Site(), "p", "c", self.wire)
        self.stream = Recipient()
        self.number = self.plane.register(self.stream)

    def frame(self, sequence=0):
        """Return a small frame of the stream."""
        tensors = codecs.tensors({"x": np.zeros(4, np.float32)})
        return Frame(Kind.DATA, self.number, sequence, meta={"client": "c"}, tensors=tensors)

    def send(self, sequence=0, way=None, *, breaks=False):
        """Send a small frame, by a link that ``breaks`` meanwhile; returns whether it left."""

        def finished(made, position):
            self.wire.up = not breaks
            return made.with_meta(hop=list(position))

        sent = self.plane.send(way or route(), self.frame(sequence), finished)
        self.wire.up = self.wire.up or breaks
        return sent

    def hop(self):
        """Return the number of the newest hop, as its probe said."""
        self.plane.tick(route(), waiting=True)
        return Position.from_meta(self.wire.sent[-1][1].meta["hop"]).hop

    def grant(self, hop, *, frames=4, done=0, receiver=1, since=0, gaps=()):
        """Bring a grant."""
        since_or_done = max(since, done)
        made = Grant(
            hop, receiver, since, since_or_done, done, since_or_done, frames, 1 << 20, 1 << 16, gaps
        )
        self.wire.bring(CREDIT, Frame(Kind.CREDIT, 0, 0, meta={"grant": made.to_meta()}))

    def answer(self, sequence, index, *, kind=Kind.RESULT, stream=None, hop=50):
        """Bring an answer of a worker."""
        made = Frame(kind, self.number if stream is None else stream, sequence)
        self.wire.bring(OUT, made.with_meta(hop=[hop, index, 100 * index, "d0"]))


@pytest.fixture
def desk():
    """Return a plane that is connected."""
    return Desk()


def test_credit_is_asked_for_before_anything_is_sent(desk):
    """Without a grant nothing may go; the probe tells whom to answer."""
    sent = desk.send()
    desk.plane.tick(route(), waiting=True)
    ((address, probe),) = desk.wire.sent

    assert not sent
    assert address == "paceline/v1/default/d/d0/in/p/1-0"
    assert (probe.kind, probe.meta["client"], probe.meta["hop"][3]) == (Kind.CREDIT, "c", "c")


def test_first_and_last_stage_are_asked_how_else_they_can_be_reached(desk):
    """The one where frames come in, with our position; the other where it hears what came."""
    desk.plane.tick(route(), waiting=False)
    first, last = desk.wire.asked
    desk.plane.tick(route(), waiting=False)

    assert first[0] == "paceline/v1/default/d/d0/in/p/1-0"
    assert first[1].meta["hop"][3] == "c"
    assert last[0] == "paceline/v1/default/d/d0/cr/p/1-0"
    assert last[1].meta == {"offers": True, "client": "c"}
    assert len(desk.wire.asked) == 2


@pytest.mark.parametrize(
    "meta",
    [
        {"offers": [], "device": "d0"},
        {"offers": 5, "device": "d0", "token": 7},
        {"offers": [{"link": "uds", "folder": "/nowhere", "host": "x"}], "device": "d0"},
        {"offers": [{"link": "tcp"}], "device": "d/#", "token": "x" * 64},
        {"offers": True, "device": ["d0"]},
        {"offers": None},
    ],
)
def test_offers_that_are_none(desk, meta):
    """Whatever is told in a last stage's name, answers stay where they are."""
    desk.plane.tick(route(), waiting=False)
    desk.wire.bring(OUT, Frame(Kind.CREDIT, 0, 0, generation=1, stage=0, meta=meta))
    desk.answer(0, 0)

    assert desk.plane.links_back == {"d0": "mqtt"}
    assert desk.stream.heard == [(Kind.RESULT, 0)]
    desk.plane._newest.close()


def test_what_was_granted_may_be_sent(desk):
    """So many frames and no more, each behind the one before."""
    desk.grant(desk.hop(), frames=2)
    for sequence in range(2):
        assert desk.send(sequence)
    positions = [made.meta["hop"][1:3] for _, made in desk.wire.sent if made.kind is Kind.DATA]

    assert positions == [[0, 0], [1, frame.reckoned_bytes(desk.frame())]]
    assert not desk.send(2)


def test_a_frame_that_the_entry_never_takes(desk):
    """The grant says how large a frame may be."""
    before = desk.plane.never_fits(route(), 1 << 17)
    desk.grant(desk.hop())

    assert (before, desk.plane.never_fits(route(), 1 << 17)) == (False, True)


@pytest.mark.parametrize(
    ("grant", "heard"),
    [
        ({"done": 2, "gaps": ((0, 1),)}, [("link.lost", 10)]),
        ({"done": 2, "receiver": 2, "since": 2}, [("worker.lost", 11), ("worker.lost", 10)]),
        ({"done": 2}, []),
    ],
)
def test_losses_are_told_to_their_stream(desk, grant, heard):
    """A gap, or an entry that is another process now."""
    hop = desk.hop()
    desk.grant(hop)
    for sequence in (10, 11):
        desk.send(sequence)

    desk.grant(hop, **grant)

    assert desk.stream.heard == heard


def test_frames_go_to_the_replica_of_the_entry_with_the_least_to_do(desk):
    """Each has credit of its own; the route names them."""
    both = msgspec.structs.replace(
        route(), stages=(*route(device="d0").stages, *route(device="d9").stages)
    )
    desk.plane.tick(both, waiting=True)
    for _, probe in list(desk.wire.sent):
        desk.grant(probe.meta["hop"][0])
    for sequence in range(4):
        desk.send(sequence, both)
    sent = [address.split("/")[4] for address, made in desk.wire.sent if made.kind is Kind.DATA]

    assert sorted(sent) == ["d0", "d0", "d9", "d9"]


def test_answers_reach_their_stream_once(desk):
    """A repeated position is a duplicate; another stream's answer is nobody's."""
    desk.answer(0, 0)
    desk.answer(0, 0)
    desk.answer(1, 1, kind=Kind.ERROR)
    desk.answer(2, 2, stream=12345)
    desk.answer(3, 3, kind=Kind.DATA)

    assert desk.stream.heard == [(Kind.RESULT, 0), (Kind.ERROR, 1)]


def test_a_forgotten_stream_hears_nothing(desk):
    """Late answers after a stream's end are dropped."""
    desk.plane.forget(desk.number)
    desk.answer(0, 0)

    assert desk.stream.heard == []


def test_a_workers_probe_is_answered_with_what_arrived(desk):
    """So it learns which results were lost."""
    desk.answer(0, 0)
    desk.answer(3, 3)
    probe = Frame(Kind.CREDIT, 0, 0, generation=1, stage=2, meta={"hop": [50, 5, 500, "d2"]})

    desk.wire.bring(OUT, probe)
    address, told = desk.wire.sent[-1]
    grant = Grant.from_meta(told.meta["grant"])

    assert address == "paceline/v1/default/d/d2/cr/p/1-2"
    assert (grant.arrived, grant.done, grant.gaps) == (5, 5, ((1, 3), (4, 5)))


def test_a_worker_hears_now_and_then_what_arrived(desk):
    """It keeps results until then, to send them again."""
    for number in range(2 * RESULTS_UNTOLD + 1):
        desk.answer(number, number)
    told = [Grant.from_meta(made.meta["grant"]) for _, made in desk.wire.sent]

    assert [grant.done for grant in told] == [RESULTS_UNTOLD, 2 * RESULTS_UNTOLD]


@pytest.mark.parametrize("address", [OUT, CREDIT])
@pytest.mark.parametrize("data", [b"", b"noise" * 30])
def test_noise_is_ignored(desk, address, data):
    """Bytes that are no frame change nothing."""
    desk.wire.listening[address](address, data)

    assert (desk.stream.heard, desk.wire.sent) == ([], [])


def test_a_frame_sent_into_a_broken_link_shows_as_a_gap(desk):
    """Its position is spent, so the receiver's next grant tells."""
    hop = desk.hop()
    desk.grant(hop)
    desk.send(0, breaks=True)
    desk.send(1)

    assert [made.meta["hop"][1] for _, made in desk.wire.sent if made.kind is Kind.DATA] == [1]


def test_while_the_link_is_down_nothing_is_sent(desk):
    """Credit alone is not enough."""
    desk.grant(desk.hop())
    desk.wire.up = False

    assert not desk.send()


def test_each_generation_has_a_stream_of_its_own(desk):
    """The old entry's credit says nothing about the new one's."""
    desk.grant(desk.hop())

    assert desk.send(0)
    assert not desk.send(1, route(generation=2))


def test_without_a_route_what_is_on_its_way_is_still_asked_for(desk, monkeypatch):
    """An entry that answers no more has lost it, also when the pipeline is undeployed."""
    monkeypatch.setattr("wire.hop.sender.PROBE_SECONDS", 0)
    monkeypatch.setattr("wire.hop.sender.SILENCE_SECONDS", 0)
    desk.grant(desk.hop())
    desk.send(5)
    before = len(desk.wire.sent)
    for _ in range(5):
        desk.plane.tick(None, waiting=False)
    probes = desk.wire.sent[before:]

    assert desk.stream.heard == [("worker.lost", 5)]
    assert {address for address, _ in probes} == {"paceline/v1/default/d/d0/in/p/1-0"}


def test_whoever_waits_for_room_is_told_of_it(desk):
    """And of no other grant: waking costs more than a grant says."""
    desk.send()
    before = desk.plane.changed.told
    told = []
    hop = desk.hop()
    for frames in (1, 1, 2):
        desk.grant(hop, frames=frames)
        told.append(desk.plane.changed.told - before)

    assert told == [1, 1, 1]
    assert desk.send()
