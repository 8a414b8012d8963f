"""The sending side: with credit to the next stage, in order, and errors never lost silently."""

import itertools
import time

import pytest

from agent.worker import hops, outbound
from agent.worker.outbound import MAX_MESSAGE_CHARACTERS, Outbound
from agent.worker.paths import to_next_stage
from agent.worker.stats import Stats
from wire import frame
from wire.errors import LinkDownError
from wire.frame import Frame, Kind
from wire.hop import CLEARED, MAX_LOSSES, SUSPECT_PROBES, Grant, Position
from wire.hop import sender as hop_sender


class Wire:
    """A link that keeps what is sent."""

    def __init__(self):
        self.up = True
        self.sent = []

    def send(self, address, buffers):
        """Keep a frame, or be down."""
        if not self.up:
            raise LinkDownError("test")
        data = b"".join(memoryview(b).cast("B") for b in buffers)
        self.sent.append((address, frame.decode(data)))

    def of(self, kind):
        """Return what was sent of a kind."""
        return [(address, made) for address, made in self.sent if made.kind is kind]


class Desk:
    """An outbound side over a kept wire."""

    def __init__(self, stage, **options):
        self.stage = stage
        self.wire = Wire()
        self.stats = Stats()
        self.stopping = False
        self.settled = []
        self.hops = {}
        self.outbound = Outbound(
            stage, to_next_stage(stage, self.wire), self.stats, lambda: self.stopping,
            settle=lambda position: self.settled.append(position.frames_before), **options,
        )  # fmt: skip

    def open(self, made):
        """Give each replica of the next stage its first credit."""
        while not self.hops:  # a busy machine: over before it could ask
            self.outbound.forward(made.frame(99), time.monotonic_ns() + 10_000_000)
            for address, probe in self.wire.of(Kind.CREDIT):
                position = Position.from_meta(probe.meta["hop"])
                self.hops[address.split("/")[4]] = position.hop
        for hop in self.hops.values():
            self.grant(made, hop)
        self.outbound.tick()
        self.wire.sent.clear()
        self.settled.clear()

    @property
    def hop(self):
        """Return the number of the stream to the next stage."""
        (hop,) = self.hops.values()
        return hop

    def grant(self, made, hop, *, frames=8, done=0, gaps=(), receiver=2, since=0, arrived=0, ran=0):
        """Bring a grant as the link's reader thread would."""
        arrived, ran = max(done, since, arrived), max(done, since, ran)
        grant = Grant(hop, receiver, since, arrived, done, ran, frames, 1 << 20, 1 << 16, gaps)
        credit = Frame(Kind.CREDIT, 0, 0, meta={"grant": grant.to_meta()})
        self.outbound.take_credit(made.joined(credit))


@pytest.fixture
def desk(made):
    """The outbound side of a stage in the middle, with credit."""
    desk = Desk(made.stage())
    desk.open(made)
    return desk


def test_without_credit_a_frame_waits_until_its_deadline(made):
    """A probe asks for credit; nothing is sent, and the client is told."""
    desk = Desk(made.stage())

    soon = time.monotonic_ns() + 1_000_000_000
    given_up = desk.outbound.forward(made.frame(3), deadline_ns=soon)
    desk.outbound.tick()
    ((address, told),) = desk.wire.of(Kind.ERROR)

    assert given_up is None
    assert desk.wire.of(Kind.CREDIT)
    assert desk.wire.of(Kind.DATA) == []
    assert address == "paceline/v1/default/p/p/out/c"
    assert (told.sequence, told.meta["error"]["code"]) == (3, "frame.deadline")
    assert told.meta["error"]["device"] == "d1"


def test_with_credit_frames_go_to_the_next_stage_in_order(made, desk):
    """Each with its position behind the one before."""
    sizes = [desk.outbound.forward(made.frame(n, stage=2), None) for n in range(3)]
    sent = desk.wire.of(Kind.DATA)

    assert {address for address, _ in sent} == {"paceline/v1/default/d/d2/in/p/7-2"}
    assert [made.meta["hop"][1] for _, made in sent] == [0, 1, 2]
    assert [made.meta["hop"][2] for _, made in sent] == [0, *itertools.accumulate(sizes[:2])]


def test_the_last_stage_sends_to_clients_without_credit(made):
    """The client's own window bounds what comes back."""
    desk = Desk(made.stage(downstream=()))

    desk.outbound.forward(made.frame(0, kind=Kind.RESULT), None)
    desk.outbound.forward(made.frame(1, kind=Kind.RESULT, meta={"client": "other"}), None)

    assert [address.rpartition("/")[2] for address, _ in desk.wire.sent] == ["c", "other"]
    assert desk.outbound.settled


def test_a_frame_that_never_fits_is_told(made, desk):
    """Larger than the next stage takes at all: no waiting."""
    big = made.frame(4, values=[0.0] * 20_000)

    assert desk.outbound.forward(big, None) is None
    desk.outbound.tick()
    ((_, told),) = desk.wire.of(Kind.ERROR)

    assert told.meta["error"]["code"] == "frame.too_large"


def test_stopping_gives_up(made):
    """A worker that must go waits no longer; nobody is told: who sent the frame still keeps it."""
    desk = Desk(made.stage())
    desk.stopping = True

    assert desk.outbound.forward(made.frame(), None, Position(1, 0, 0, "d0")) is None
    desk.outbound.tick()

    assert (desk.wire.of(Kind.ERROR), desk.settled) == ([], [])
    assert desk.outbound.settled


@pytest.mark.parametrize(
    ("grant", "again"),
    [
        ({"arrived": 2, "gaps": ((1, 2),)}, [1]),
        ({"since": 2, "receiver": 3}, [1, 0]),
        ({"since": 1, "receiver": 3}, [0]),
        ({"arrived": 2}, []),
    ],
)
def test_what_the_next_stage_lost_is_sent_again(made, desk, grant, again):
    """A gap in what arrived; a new receiver answers from where it began."""
    for number in range(2):
        desk.outbound.forward(made.frame(number, stage=2), None)

    desk.grant(made, desk.hop, **grant)
    for ran in range(2, 2 + len(again)):  # what may have ended a worker goes alone
        desk.grant(made, desk.hop, **{**grant, "ran": ran})
        desk.outbound.tick()

    assert [f.sequence for _, f in desk.wire.of(Kind.DATA)] == [0, 1, *again]
    assert [f.meta["hop"][1] for _, f in desk.wire.of(Kind.DATA)] == list(range(2 + len(again)))
    assert desk.wire.of(Kind.ERROR) == []


def test_a_frame_that_kills_its_worker_twice_is_given_up(made, desk):
    """The third death would end the stage; the client is told, and may send it again."""
    desk.outbound.forward(made.frame(5, stage=2), None)
    for process in (3, 4):
        desk.grant(made, desk.hop, since=process - 2, receiver=process, frames=8)
        desk.outbound.tick()

    told = [(e.sequence, e.meta["error"]["code"]) for _, e in desk.wire.of(Kind.ERROR)]
    assert told == [(5, "worker.lost")]
    assert len(desk.wire.of(Kind.DATA)) == 2


def test_what_waits_with_a_frame_that_kills_is_not_given_up(made, desk):
    """Each is sent again behind the run of the one before, the first of them last."""
    for number in range(3):
        desk.outbound.forward(made.frame(number, stage=2), None)
    desk.grant(made, desk.hop, receiver=3, since=3)
    desk.outbound.tick()
    sent = [[f.sequence for _, f in desk.wire.of(Kind.DATA)]]
    for ran in (4, 5):
        desk.grant(made, desk.hop, receiver=3, since=3, done=ran)
        desk.outbound.tick()
        sent.append([f.sequence for _, f in desk.wire.of(Kind.DATA)])
    desk.grant(made, desk.hop, receiver=4, since=6)
    desk.outbound.tick()

    told = [(e.sequence, e.meta["error"]["code"]) for _, e in desk.wire.of(Kind.ERROR)]
    assert sent == [[0, 1, 2, 1], [0, 1, 2, 1, 2], [0, 1, 2, 1, 2, 0]]
    assert told == [(0, "worker.lost")]
    assert desk.outbound.settled


def test_a_frame_that_is_run_and_lost_again_and_again_is_given_up(made, desk):
    """It has ended none of these workers, but no frame is sent without end."""
    desk.outbound.forward(made.frame(5, stage=2), None)
    for turn in range(1, 20):
        desk.grant(made, desk.hop, receiver=turn + 1, since=turn - 1, ran=turn, frames=50)
        desk.grant(made, desk.hop, receiver=turn + 2, since=turn, frames=50)
        desk.outbound.tick()

    assert len(desk.wire.of(Kind.DATA)) == 1 + MAX_LOSSES[CLEARED]
    assert [e.meta["error"]["code"] for _, e in desk.wire.of(Kind.ERROR)] == ["worker.lost"]


def test_a_lost_frame_whose_neighbour_stays_away_ends_as_lost(made, desk):
    """At its deadline, with the reason why it had to wait."""
    soon = time.monotonic_ns() + 1_000_000_000
    desk.outbound.forward(made.frame(5, stage=2), soon)
    desk.grant(made, desk.hop, since=1, receiver=3, frames=0)
    while time.monotonic_ns() < soon:
        desk.outbound.tick()
    desk.outbound.tick()

    assert [e.meta["error"]["code"] for _, e in desk.wire.of(Kind.ERROR)] == ["worker.lost"]


def test_what_is_left_of_a_deadline_travels_on(made, desk):
    """The next stage hears how much time is left, never an instant."""
    desk.outbound.forward(made.frame(0, stage=2), time.monotonic_ns() + 60 * 10**9)
    desk.outbound.forward(made.frame(1, stage=2), None)
    (_, limited), (_, free) = desk.wire.of(Kind.DATA)

    assert 0 < limited.deadline_ms <= 60_000
    assert free.deadline_ms == frame.NO_DEADLINE


def test_a_frame_is_settled_upstream_when_it_has_arrived(made, desk):
    """Two have it then. It is kept until the next stage need not be helped any more."""
    before = desk.outbound.kept_bytes
    for number in range(2):
        came_from = Position(4, number, 0, "d0")
        desk.outbound.forward(made.frame(number, stage=2), None, came_from)

    desk.grant(made, desk.hop, arrived=1)
    told, kept = list(desk.settled), desk.outbound.kept_bytes
    desk.grant(made, desk.hop, arrived=2, done=1)
    desk.grant(made, desk.hop, arrived=2, done=2)

    assert told == [0]
    assert desk.settled == [0, 1]
    assert kept > before
    assert desk.outbound.kept_bytes == before


def test_a_frame_that_ended_is_settled_too(made, desk):
    """Nobody need keep what its client was told of."""
    desk.outbound.forward(made.frame(4, values=[0.0] * 20_000), None, Position(4, 7, 0, "d0"))

    assert desk.settled == [7]


def test_what_is_kept_is_bounded(made):
    """Of more than that, the oldest cannot be sent again: its client is told when it is lost."""
    desk = Desk(made.stage(), kept_bytes=10_000)
    desk.open(made)
    for number in range(6):
        desk.outbound.forward(made.frame(number, stage=2), None)
    most = desk.outbound.kept_bytes

    desk.grant(made, desk.hop, since=6, receiver=3, frames=20)
    desk.outbound.tick()

    told = [(e.sequence, e.meta["error"]["code"]) for _, e in desk.wire.of(Kind.ERROR)]
    assert most <= 10_000
    for ran in range(7, 10):
        desk.grant(made, desk.hop, since=6, receiver=3, frames=20, ran=ran)
        desk.outbound.tick()
    assert sorted(told) == [(0, "worker.lost"), (1, "worker.lost")]
    assert [f.sequence for _, f in desk.wire.of(Kind.DATA)][6:] == [2, 3, 4, 5]


def test_frames_go_to_the_replica_with_the_least_to_do(made):
    """Each has its own credit; what one holds when it falls silent goes to the other."""
    desk = Desk(made.stage(downstream=("d2", "d3")))
    desk.open(made)
    for number in range(4):
        desk.outbound.forward(made.frame(number, stage=2), None)
    to = {f.sequence: address.split("/")[4] for address, f in desk.wire.of(Kind.DATA)}

    assert sorted(to.values()) == ["d2", "d2", "d3", "d3"]
    assert to[0] != to[1]


def test_a_silent_replica_loses_its_frames_to_the_other(made, monkeypatch):
    """After three unanswered probes; it is asked on, and joins again when it answers."""
    monkeypatch.setattr(hop_sender, "PROBE_SECONDS", 0.0)
    monkeypatch.setattr(outbound, "LOOK_SECONDS", 0.0)
    desk = Desk(made.stage(downstream=("d2", "d3")))
    desk.open(made)
    for number in range(2):
        desk.outbound.forward(made.frame(number, stage=2), None)
    first = {address.split("/")[4]: f.sequence for address, f in desk.wire.of(Kind.DATA)}
    for _ in range(7):
        desk.grant(made, desk.hops["d3"], arrived=1, ran=1)
        desk.outbound.tick()
    last = desk.wire.of(Kind.DATA)[-1]
    suspects = desk.outbound.suspects()
    desk.grant(made, desk.hops["d2"], arrived=1, done=1)

    assert (last[0].split("/")[4], last[1].sequence) == ("d3", first["d2"])
    assert any("/d/d2/" in address for address in suspects)
    assert not any("/d/d" in address for address in desk.outbound.suspects())


def test_frames_are_unsettled_until_they_are_done(made, desk):
    """A drain waits for the next stage."""
    desk.outbound.forward(made.frame(0, stage=2), None)
    before = desk.outbound.settled

    desk.grant(made, desk.hop, done=1)

    assert (before, desk.outbound.settled) == (False, True)


def test_errors_wait_while_the_link_is_down(made, desk):
    """They leave when it is up again."""
    desk.wire.up = False
    desk.outbound.answer(made.frame(8), "x.y", "why")
    desk.outbound.tick()
    before = list(desk.wire.sent)

    desk.wire.up = True
    desk.outbound.tick()

    assert before == []
    assert [e.sequence for _, e in desk.wire.of(Kind.ERROR)] == [8]


@pytest.mark.parametrize("client", ["a/b", "#", "", 5, None])
def test_nobody_is_answered_under_a_name_that_is_no_id(made, desk, client):
    """Such a name can be no part of a topic: there is no one to tell."""
    desk.outbound.answer(made.frame(meta={"client": client}), "x.y", "why")
    desk.outbound.tick()

    assert desk.wire.sent == []
    assert desk.outbound.settled


def test_an_endless_sentence_is_cut(made, desk):
    """An answer always fits into a frame's meta."""
    desk.outbound.answer(made.frame(), "x.y", "z" * 100_000)
    desk.outbound.tick()

    assert len(desk.wire.sent[0][1].meta["error"]["message"]) == MAX_MESSAGE_CHARACTERS


def test_results_of_many_clients_are_forgotten_in_time(made, monkeypatch):
    """However many clients there were, what is remembered of them is bounded."""
    monkeypatch.setattr(hops, "MAX_CLIENTS", 64)
    desk = Desk(made.stage(downstream=()))

    for number in range(200):
        client = {"client": f"c{number}"}
        desk.outbound.forward(made.frame(0, kind=Kind.RESULT, meta=client), None)

    assert len(desk.outbound._hops._clients) == 64
    assert len(desk.wire.sent) == 200


def test_a_client_that_was_silent_hears_what_it_missed(made, monkeypatch):
    """Its broker was down for longer than a silence: the next result shows what was lost before."""
    monkeypatch.setattr(hop_sender, "SILENCE_SECONDS", 0.0)
    monkeypatch.setattr(hop_sender, "PROBE_SECONDS", 0.0)
    monkeypatch.setattr(outbound, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(hops, "LOOK_SECONDS", 0.0)
    desk = Desk(made.stage(downstream=()))
    desk.outbound.forward(made.frame(0, kind=Kind.RESULT), None)
    for _ in range(5):
        desk.outbound.tick()
    probes = len(desk.wire.of(Kind.CREDIT))
    assert desk.outbound.suspects() == ()

    desk.outbound.forward(made.frame(1, kind=Kind.RESULT), None)
    hop = Position.from_meta(desk.wire.of(Kind.CREDIT)[0][1].meta["hop"]).hop
    desk.grant(made, hop, done=2, gaps=((0, 1),))
    desk.outbound.tick()

    assert probes == SUSPECT_PROBES
    assert [result.sequence for _, result in desk.wire.of(Kind.RESULT)] == [0, 1, 0]


@pytest.mark.parametrize("data", [b"", b"noise" * 20, "no grant"])
def test_noise_on_the_credit_topic_is_counted(made, desk, data):
    """It changes nothing."""
    if data == "no grant":
        data = made.joined(Frame(Kind.CREDIT, 0, 0, meta={"grant": [1, 2]}))

    desk.outbound.take_credit(data)
    counts = desk.stats.snapshot(pipeline="p", generation=7, stage=1, instance=9).counts

    assert counts.refused["frame.malformed"] == 1
