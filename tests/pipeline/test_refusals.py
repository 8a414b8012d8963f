"""Frames that nobody should have sent: counted, answered where that is possible, never run."""

import numpy as np
import pytest

from agent import channel
from wire import codecs, frame
from wire.frame import Frame, Kind, Tensor
from wire.hop import Grant

GOOD = np.ones(3, np.float32)


@pytest.fixture
def stage(fleet, tools):
    """One stage alone, its runtime noting what it is given."""
    _, (worker,) = fleet.chain(tools.Scripted())
    return worker


@pytest.mark.parametrize(
    ("made", "code"),
    [
        ({"array": np.ones(3)}, "frame.wrong_tensors"),
        ({"array": np.ones((3, 1), np.float32)}, "frame.wrong_tensors"),
        ({"array": np.ones(0, np.float32)}, "frame.wrong_tensors"),
        ({"array": GOOD, "generation": 2}, "frame.wrong_generation"),
        ({"array": GOOD, "generation": 0}, "frame.wrong_generation"),
        ({"array": GOOD, "stage": 1}, "frame.wrong_generation"),
        ({"array": GOOD, "kind": Kind.RESULT}, "frame.malformed"),
        ({"array": GOOD, "kind": Kind.ERROR}, "frame.malformed"),
        ({"array": GOOD, "deadline_ms": 0}, "frame.deadline"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_wrong_frame_is_counted_answered_and_not_run(fleet, tools, stage, made, code):
    """Wrong dtype, rank, size, generation, stage, kind or no time left: its client hears why."""
    sender = fleet.stranger()

    sender.send_frame(fleet.lane(), tools.data_frame(**made, sequence=5))
    heard = sender.hears(Kind.ERROR)

    assert heard.meta["error"]["code"] == code
    assert (heard.stream, heard.sequence) == (77, 5)
    assert stage.counts.refused == {code: 1}
    assert stage.runtime.runs == []


def test_a_missing_tensor_is_named(fleet, stage):
    """The error says which tensor is missing and what came instead."""
    sender = fleet.stranger()
    other = Frame(Kind.DATA, 1, 1, generation=1, tensors=codecs.tensors({"other": GOOD}))

    sender.send_frame(fleet.lane(), other)

    assert "'x' is missing (got ['other'])" in sender.hears(Kind.ERROR).meta["error"]["message"]


@pytest.mark.parametrize(
    "fault", ["codec", "size"], ids=["codec nobody has", "bytes that are not the shape's"]
)
def test_elements_that_cannot_be_read_are_answered(fleet, tools, stage, fault):
    """Found when the frame's turn comes, and answered like any other fault."""
    sender = fleet.stranger()
    if fault == "codec":
        sender.send_frame(fleet.lane(), tools.data_frame(GOOD), codec="zip")
    else:
        short = Tensor("x", 1, (3,), memoryview(bytes(8)))
        sender.send_frame(fleet.lane(), Frame(Kind.DATA, 1, 1, generation=1, tensors=(short,)))

    assert sender.hears(Kind.ERROR).meta["error"]["code"] == "frame.malformed"
    assert stage.runtime.runs == []


def test_a_frame_that_comes_twice_runs_once(fleet, tools, stage):
    """By its position, or by its number under a new position: the second is a duplicate.

    Nobody is told: it was sent again by one who had not heard that we have it.
    """
    sender = fleet.stranger()
    made = tools.data_frame(GOOD, sequence=3)

    sender.send_frame(fleet.lane(), made)
    sender.sent -= 1
    sender.send_frame(fleet.lane(), made)
    sender.send_frame(fleet.lane(), made)
    sender.send_frame(fleet.lane(), tools.data_frame(GOOD, sequence=4))
    heard = [sender.hears(Kind.RESULT).sequence for _ in range(2)]

    assert heard == [3, 4]
    assert stage.counts.refused == {"frame.duplicate": 2}
    assert (stage.counts.errors, len(stage.runtime.runs)) == ({}, 2)


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"PLNE",
        b"\x00" * 64,
        b"PLNE" + bytes(60),
        bytes(range(256)) * 40,
        b"{" * 100_000,
    ],
    ids=["empty", "magic", "zeros", "head", "bytes", "braces"],
)
def test_garbage_is_counted_and_nothing_else(fleet, stage, tools, garbage):
    """Bytes that are no frame have nobody to answer."""
    sender = fleet.stranger()

    sender.send(fleet.lane(), garbage)
    tools.eventually(lambda: stage.counts.refused == {"frame.malformed": 1})

    assert stage.runtime.runs == []
    assert sender.heard.empty()


@pytest.mark.parametrize("at", [0, 4, 6, 8, 12, 63, 64, 80, 110])
def test_a_flipped_byte_is_never_run(fleet, tools, stage, at):
    """Head, meta and table are covered by the CRC."""
    sender = fleet.stranger()
    made = tools.data_frame(GOOD).with_meta(hop=[1, 0, 0, sender.name], client=sender.name)
    data = bytearray(b"".join(map(bytes, frame.encode(made))))
    data[at] ^= 0x40

    sender.send(fleet.lane(), bytes(data))
    tools.eventually(lambda: stage.counts.refused == {"frame.malformed": 1})

    assert stage.runtime.runs == []


@pytest.mark.parametrize(
    "meta",
    [
        {"hop": None},
        {"hop": [1, 2, 3]},
        {"hop": [1, 0, 0, "../up"]},
        {"hop": [1, 1 << 63, 0, "stranger"]},
        {"hop": [-1, 0, 0, "stranger"]},
        {"client": "someone-else"},
        {"client": None},
        {"client": "a/b"},
    ],
    ids=str,
)
def test_a_sender_that_is_not_what_it_says_is_ignored(fleet, tools, stage, meta):
    """Without a position, or speaking for another client, a frame is counted and dropped."""
    sender = fleet.stranger()

    sender.send_frame(fleet.lane(), tools.data_frame(GOOD), **meta)
    tools.eventually(lambda: stage.counts.refused == {"frame.malformed": 1})

    assert stage.runtime.runs == []
    assert sender.heard.empty()


def test_only_the_neighbour_may_send_to_a_later_stage(fleet, tools):
    """A client that writes to the second stage's lane is no neighbour of it."""
    route, (_, second) = fleet.chain(None, tools.Scripted())
    sender = fleet.stranger()

    sender.send_frame(fleet.lane(1), tools.data_frame(GOOD, stage=1))
    tools.eventually(lambda: second.counts.refused == {"frame.malformed": 1})
    answers, _ = fleet.client(route).answers(tools.numbered(2))

    assert [answer.error for answer in answers] == [None, None]
    assert len(second.runtime.runs) == 2


@pytest.mark.parametrize("client", ["a/b", "+", "", "x" * 49, 7, None], ids=str)
def test_a_client_that_is_no_id_cannot_end_a_worker(fleet, tools, client):
    """Who writes as the neighbour, for a client whose name is no id: refused, and all goes on."""
    route, (_, second) = fleet.chain(None, tools.Scripted())
    sender = fleet.stranger()
    hop = [5, 0, 0, "d0"]

    sender.send_frame(fleet.lane(1), tools.data_frame(GOOD, stage=1), hop=hop, client=client)
    tools.eventually(lambda: second.counts.refused == {"frame.malformed": 1})
    answers, _ = fleet.client(route).answers(tools.numbered(2))

    assert [answer.error for answer in answers] == [None, None]


def test_enormous_names_in_a_frame_cannot_end_a_worker(fleet, tools, stage):
    """An error's sentence that quotes a frame is cut so that it fits into an answer."""
    sender = fleet.stranger()
    names = {f"{n}" + "n" * 3000: GOOD for n in range(20)}
    made = Frame(Kind.DATA, 1, 1, generation=1, tensors=codecs.tensors(names))

    sender.send_frame(fleet.lane(), made)
    told = sender.hears(Kind.ERROR)
    sender.send_frame(fleet.lane(), tools.data_frame(GOOD, sequence=2))

    assert len(told.meta["error"]["message"]) <= 500
    assert sender.hears(Kind.RESULT).sequence == 2


def test_meta_that_has_no_room_for_ours_fails_its_own_frame(fleet, tools, stage):
    """A stage's entry in the waterfall may not fit any more: that frame is an error."""
    sender = fleet.stranger()

    sender.send_frame(fleet.lane(), tools.data_frame(GOOD), padding="p" * 65_430)
    told = sender.hears(Kind.ERROR)
    sender.send_frame(fleet.lane(), tools.data_frame(GOOD, sequence=1))

    assert told.meta["error"]["code"] == "frame.malformed"
    assert sender.hears(Kind.RESULT).sequence == 1


def test_unknown_meta_travels_on(fleet, tools):
    """Keys that a stage does not know reach the client as they were."""
    fleet.chain(None, None)
    sender = fleet.stranger()

    sender.send_frame(fleet.lane(), tools.data_frame(GOOD), traceparent="00-ab", session=[1, {}])
    result = sender.hears(Kind.RESULT)

    assert (result.meta["traceparent"], result.meta["session"]) == ("00-ab", [1, {}])


def test_a_sender_that_ignores_its_credit_meets_the_last_wall(fleet, tools):
    """The inbox takes no more than its bound; what is over is refused, and told."""
    gated = tools.Scripted(gated=True)
    _, (worker,) = fleet.chain(gated, limits=(4, 1 << 14))
    sender = fleet.stranger()
    big = np.ones(2000, np.float32)

    for sequence in range(12):
        sender.send_frame(fleet.lane(), tools.data_frame(big, sequence=sequence))
    tools.eventually(lambda: worker.counts.refused.get("inbox.full", 0) >= 7)
    held = worker.serving.snapshot().queued_frames
    gated.allow(12)

    assert held <= 4
    assert sender.hears(Kind.ERROR).meta["error"]["code"] == "inbox.full"


def test_a_sender_that_claims_enormous_losses(fleet, tools, stage):
    """Whatever is claimed, the counts can still be sent to the supervisor and to the fleet."""
    sender = fleet.stranger()
    far = (1 << 62) - 1

    for hop in range(6):
        for before in (0, far):
            made = tools.data_frame(GOOD, sequence=2 * hop + (before > 0))
            sender.send_frame(fleet.lane(), made, hop=[hop, before, 0, sender.name])
    tools.eventually(lambda: stage.counts.received == 12)
    snapshot = stage.serving.snapshot()
    (back,) = channel.Inflow().reports(channel.encode(channel.Stats(latency=snapshot)))

    assert back.latency.counts.refused["link.lost"] == (1 << 53) - 1


def test_a_flood_of_senders_does_not_stop_a_client(fleet, tools, stage):
    """More streams than a lane remembers probe it; a client's frames flow all the same."""
    sender = fleet.stranger()
    for hop in range(200):
        probe = Frame(Kind.CREDIT, 0, 0)
        sender.send_frame(fleet.lane(), probe, hop=[hop, 0, 0, sender.name])

    answers, _ = fleet.client(*fleet.routes).answers(tools.numbered(5))

    assert [answer.error for answer in answers] == [None] * 5


def test_forged_grants_change_nothing(fleet, tools):
    """Grants for streams that nobody opened, or that are none, are ignored by worker and client."""
    route, (first, _) = fleet.chain(None, None)
    sender = fleet.stranger()
    wide = Grant(1, 2, 0, 0, 0, 0, 1 << 60, 1 << 60, 1 << 60).to_meta()
    client_topic = fleet.site.topic("client_credit", pipeline="p", client="client-a")
    client = fleet.client(route)

    for address in (client_topic, first.serving._stage.credit_address()):
        for meta in ({"grant": wide}, {"grant": "all"}, {}):
            sender.send_frame(address, Frame(Kind.CREDIT, 0, 0), **meta)
        sender.send(address, b"noise")
    answers, _ = client.answers(tools.numbered(5))

    assert [answer.error for answer in answers] == [None] * 5


@pytest.mark.parametrize("kind", [Kind.RESULT, Kind.ERROR, Kind.DATA])
def test_forged_answers_for_other_streams_are_ignored(fleet, tools, kind):
    """A client takes answers only for a stream of its own."""
    route, _ = fleet.chain(None)
    client = fleet.client(route)
    sender = fleet.stranger()
    out = fleet.site.topic("out", pipeline="p", client="client-a")

    sender.send_frame(out, tools.data_frame(GOOD, kind=kind, stream=999))
    sender.send(out, b"noise")
    answers, stream = client.answers(tools.numbered(3))

    assert [answer.error for answer in answers] == [None] * 3
    assert stream.accounting.late == 0
