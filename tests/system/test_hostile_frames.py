"""Whoever may publish on the broker sends what it likes: counted by reason, never run."""

import os

import msgspec
import numpy as np
import pytest

from tests.system.feeding import Feeding
from tests.system.place import until
from wire import codecs, frame
from wire.frame import Frame, Kind
from wire.topics import Lane

CLIENT = "stranger"
DEVICES = ("d1", "d2")


class Stranger:
    """Sends frames to the pipeline's topics and hears what is answered."""

    def __init__(self, place, chain, generation):
        self.place, self.chain, self.generation = place, chain, generation
        self.answers = []
        self._hop = int.from_bytes(os.urandom(7))
        self._sent = 0
        self._stream = int.from_bytes(os.urandom(7))
        out = place.topics.topic("out", pipeline="p", client=CLIENT)
        place.ear.session.subscribe(out, 0, self._hear)

    def topic(self, kind, stage):
        """Return a worker's lane or credit topic."""
        lane = str(Lane(self.generation, stage))
        return self.place.topics.topic(kind, device=DEVICES[stage], pipeline="p", lane=lane)

    def publish(self, payload, kind="lane", stage=0):
        """Publish bytes."""
        self.place.ear.say(self.topic(kind, stage), payload)

    def good(self, **changes):
        """Return a frame that is right but for what is changed, at this sender's next position."""
        position = [self._hop, self._sent, self._sent << 16, CLIENT]
        self._sent += 1
        tensors = codecs.tensors(self.chain.inputs(0))
        made = Frame(
            Kind.DATA, self._stream, self._sent, generation=self.generation, tensors=tensors,
            deadline_ms=60_000, meta={"client": CLIENT, "hop": position},
        )  # fmt: skip
        return msgspec.structs.replace(made, **changes)

    def errors(self):
        """Return the codes of the errors that were answered, in order."""
        return [a.meta["error"]["code"] for a in self.answers if a.kind is Kind.ERROR]

    def _hear(self, _topic, payload):
        self.answers.append(frame.decode(payload))


def encoded(made):
    """Return a frame as one payload."""
    return b"".join(frame.encode(made))


@pytest.fixture(scope="module")
def served(shared_place, slow_chain, chain):
    """A pipeline of two stages; returns the place, a stranger in it and the counts to come."""
    shared_place.start(*DEVICES)
    made = shared_place.deploy(slow_chain.folder, *DEVICES)
    return shared_place, Stranger(shared_place, slow_chain, made.generation)


def refusals(place, device):
    """Return the newest counts of refused frames; asks to be told each second."""
    counts = place.counts(device)
    return dict(counts.refused) if counts else {}


def grown(place, device, before, **expected):
    """Wait until the refusals by reason have grown by exactly so much."""
    wanted = {code.replace("__", "."): count for code, count in expected.items()}

    def there():
        now = refusals(place, device)
        return {code: now.get(code, 0) - before.get(code, 0) for code in wanted} == wanted

    until(there, lambda: f"{wanted} on top of {before}; is {refusals(place, device)}")


def test_frames_that_are_none(served):
    """Garbage, truncated, a flipped byte, a wrong magic or version: counted as malformed."""
    place, stranger = served
    place.ask("d1", "watch")
    before, run = until(lambda: place.counts("d1") and (refusals(place, "d1"), runs(place, "d1")))
    pids = [place.assignment(device).pid for device in DEVICES]
    good = encoded(stranger.good())
    flipped = bytearray(good)
    flipped[70] ^= 1

    for payload in (
        b"", b"\x00", os.urandom(500), good[:40], good[:-1], good + b"x", bytes(flipped),
        b"PLNX" + good[4:], good[:4] + b"\x09" + good[5:], b"PLNE" + b"\xff" * 200,
    ):  # fmt: skip
        stranger.publish(payload)

    grown(place, "d1", before, frame__malformed=10)
    assert runs(place, "d1") == run
    assert [place.assignment(device).pid for device in DEVICES] == pids


def test_frames_that_do_not_fit(served):
    """Wrong generation, dtype, shape, name, kind, a duplicate: counted, and answered by name."""
    place, stranger = served
    place.ask("d1", "watch")
    before, run = refusals(place, "d1"), until(lambda: place.counts("d1")).run
    shape = stranger.chain.shape
    again = stranger.good()

    for made in (
        again,
        stranger.good(generation=stranger.generation + 1),
        stranger.good(stage=3),
        stranger.good(tensors=codecs.tensors({"x": np.zeros(shape, np.float64)})),
        stranger.good(tensors=codecs.tensors({"x": np.zeros((1, *shape), np.float32)})),
        stranger.good(tensors=codecs.tensors({"other": np.zeros(shape, np.float32)})),
        stranger.good(tensors=()),
        stranger.good(kind=Kind.RESULT),
        again,
    ):
        stranger.publish(encoded(made))

    grown(
        place, "d1", before,
        frame__wrong_generation=2, frame__wrong_tensors=4, frame__malformed=1, frame__duplicate=1,
    )  # fmt: skip
    until(lambda: len(stranger.errors()) >= 7, lambda: f"answers; {stranger.errors()}")
    assert sorted(stranger.errors()) == [
        "frame.malformed", *["frame.wrong_generation"] * 2, *["frame.wrong_tensors"] * 4
    ]  # fmt: skip
    until(lambda: place.counts("d1").run == run + 1, "the one frame that was right")


def test_who_may_not_send(served):
    """A client at a stage that hears only its neighbour; one that speaks for another."""
    place, stranger = served
    for device in DEVICES:
        place.ask(device, "watch")
    counts = {device: until(lambda device=device: place.counts(device)) for device in DEVICES}
    before = {device: dict(counts[device].refused) for device in DEVICES}
    forged = stranger.good().meta["hop"]

    stranger.publish(encoded(stranger.good(stage=1)), stage=1)
    stranger.publish(encoded(stranger.good(meta={"client": "victim", "hop": forged})))
    stranger.publish(encoded(stranger.good(meta={"client": CLIENT})))
    stranger.publish(encoded(stranger.good(meta={"client": CLIENT, "hop": ["a", -1, {}, "#"]})))

    grown(place, "d2", before["d2"], frame__malformed=1)
    grown(place, "d1", before["d1"], frame__malformed=3)


def test_chunks_that_promise_too_much(served):
    """A petabyte announced, a place outside the frame, no numbers: refused before any memory."""
    place, stranger = served
    place.ask("d1", "watch")
    before = dict(until(lambda: place.counts("d1")).refused)
    metas = [
        {"at": 0, "of": 1 << 50, "kind": 1, "client": CLIENT},
        {"at": 1 << 40, "of": 1 << 20, "kind": 1},
        {"at": -1, "of": "many", "kind": None},
        {},
    ]

    for meta in metas:
        stranger.publish(encoded(stranger.good(kind=Kind.CHUNK, meta=meta)))

    grown(place, "d1", before, chunk__refused=len(metas))


def test_credits_that_are_none(served):
    """Garbage where a stage hears of its credits is counted and grants nothing."""
    place, stranger = served
    place.ask("d1", "watch")
    before = dict(until(lambda: place.counts("d1")).refused)

    for payload in (b"", os.urandom(200), encoded(Frame(Kind.CREDIT, 0, 0, meta={"grant": [1]}))):
        stranger.publish(payload, kind="credit")

    grown(place, "d1", before, frame__malformed=3)


def test_a_stream_beside_it_all(served, slow_chain):
    """Garbage on a lane and on a client's own topics: its answers are right and all there."""
    place, stranger = served
    pids = [place.assignment(device).pid for device in DEVICES]
    pipeline = place.site.pipeline("p")
    with Feeding(pipeline, slow_chain) as feeding:
        feeding.more(1)
        client = feeding.account.client
        own = [place.topics.topic(k, pipeline="p", client=client) for k in ("out", "client_credit")]
        for _ in range(10):
            stranger.publish(os.urandom(100))
            for topic in own:
                place.ear.say(topic, os.urandom(100))
                place.ear.say(topic, encoded(stranger.good(kind=Kind.RESULT))[:-1])
        feeding.more()

    assert feeding.errors == {}
    assert [place.assignment(device).pid for device in DEVICES] == pids
    assert {place.assignment(device).restarts for device in DEVICES} == {0}
    assert [place.agents[device].poll() for device in DEVICES] == [None, None]


def runs(place, device):
    """Return how many frames a device's stage has run."""
    return place.counts(device).run
