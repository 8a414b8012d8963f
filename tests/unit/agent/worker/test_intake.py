"""The reader side: each frame is checked, counted, and queued or answered; never both."""

import numpy as np
import pytest

from agent.worker.inbox import Inbox
from agent.worker.intake import Intake
from agent.worker.stats import Stats
from wire import codecs
from wire.frame import Frame, Kind
from wire.hop.receiver import HopReceiver


class Desk:
    """An intake with everything it tells written down."""

    def __init__(
        self, stage, *, frames=4, size_bytes=1 << 16, max_frame_bytes=1 << 16, max_senders=64
    ):
        self.answers, self.grants = [], []
        self.stats = Stats()
        self.inbox = Inbox(frames, size_bytes)
        self.intake = Intake(
            stage, HopReceiver(9, frames, size_bytes, max_senders), self.inbox, self.stats,
            lambda frame, code, _message: self.answers.append((frame.sequence, code)),
            lambda sender, grant: self.grants.append((sender, grant)),
            max_frame_bytes,
        )  # fmt: skip

    def refused(self):
        """Return the counts of refusals."""
        counts = self.stats.snapshot(pipeline="p", generation=7, stage=1, instance=9).counts
        return counts.refused


@pytest.fixture
def desk(made):
    """The desk of a stage in the middle."""
    return Desk(made.stage())


def sent(made, frame, index=0, *, hop=3, sender="d0", before=0):
    """Return a frame's bytes at a position."""
    return made.joined(frame.with_meta(hop=[hop, index, before, sender]))


def test_a_good_frame_waits(made, desk):
    """It is queued with its position, size and time, and nobody is answered."""
    data = sent(made, made.frame())

    desk.intake.take(data)
    (waiting,) = desk.inbox.take()

    assert (waiting.frame.sequence, waiting.size_bytes) == (0, len(data))
    assert waiting.position.sender == "d0"
    assert (desk.answers, desk.refused()) == ([], {})


def test_a_probe_is_answered_with_a_grant(made, desk):
    """Whoever asks for credit hears what it may send, and how large a frame may be."""
    probe = Frame(Kind.CREDIT, 0, 0)

    desk.intake.take(sent(made, probe))
    ((sender, grant),) = desk.grants

    assert (sender, grant.hop, grant.receiver, grant.frames) == ("d0", 3, 9, 4)
    assert grant.largest_bytes == 1 << 16


def test_no_larger_frame_is_granted_than_is_taken(made):
    """The inbox may be larger than a frame may be: then the frame's bound is told."""
    desk = Desk(made.stage(), size_bytes=1 << 20, max_frame_bytes=1000)

    desk.intake.take(sent(made, Frame(Kind.CREDIT, 0, 0)))
    desk.intake.take(sent(made, made.frame(values=[0.0] * 1000)))

    assert desk.grants[0][1].largest_bytes == 1000
    assert desk.refused() == {"frame.malformed": 1}


def test_a_gap_is_counted_as_lost(made, desk):
    """What never came is counted when something later does."""
    desk.intake.take(sent(made, made.frame(0), 0))
    desk.intake.take(sent(made, made.frame(5), 5))

    assert desk.refused() == {"link.lost": 4}
    assert len(desk.inbox) == 2


def test_a_refused_frame_gives_its_room_back(made, desk):
    """It is answered, counted once, and its sender is granted another when it asks."""
    desk.intake.take(sent(made, made.frame(generation=6)))

    assert desk.answers == [(0, "frame.wrong_generation")]
    assert desk.refused() == {"frame.wrong_generation": 1}
    desk.intake.take(sent(made, Frame(Kind.CREDIT, 0, 0), 1))
    assert desk.grants[-1][1].done == 1
    assert len(desk.inbox) == 0


def test_released_room_is_granted_in_time(made, desk):
    """When half of the window has left, and so on; the rest with the next probe."""
    for index in range(4):
        desk.intake.take(sent(made, made.frame(index), index))
    while waiting := desk.inbox.take():
        desk.intake.release(waiting[0].position, settled=True)

    assert [grant.done for _, grant in desk.grants] == [2, 4]
    assert desk.grants[-1][1].frames == 8


def test_a_closing_stage_takes_what_is_on_its_way(made, desk):
    """It tells everybody to send nothing more, and refuses nothing."""
    desk.intake.take(sent(made, made.frame(0), 0))
    desk.intake.close()
    ((told, closed),) = desk.grants
    desk.intake.take(sent(made, made.frame(1), 1))
    desk.intake.take(sent(made, Frame(Kind.CREDIT, 0, 0), 2))

    assert (told, closed.frames, desk.grants[-1][1].frames) == ("d0", 0, 0)
    assert (len(desk.inbox), desk.answers) == (2, [])


def test_neighbours_that_leave(made):
    """All of them have said so; one that comes back has not."""
    desk = Desk(made.stage(upstream=("d0", "d5")))
    leaving = Frame(Kind.CREDIT, 0, 0, meta={"leaves": True})
    said = []
    for device in ("d0", "d5"):
        said.append(desk.intake.upstream_left)
        desk.intake.take(sent(made, leaving, sender=device, hop=ord(device[1])))
    said.append(desk.intake.upstream_left)
    desk.intake.take(sent(made, made.frame(0), sender="d5", hop=99))

    assert [*said, desk.intake.upstream_left] == [False, False, True, False]


def test_a_frame_that_came_again_is_kept_for_us_with_the_first(made, desk):
    """Its sender must not forget it while we could still lose it."""
    frame = made.frame(0)
    desk.intake.take(sent(made, frame, 0))
    desk.intake.take(sent(made, frame, 1))
    (waiting,) = desk.inbox.take()
    desk.intake.take(sent(made, Frame(Kind.CREDIT, 0, 0), 2))
    before = desk.grants[-1][1].done
    desk.intake.release(waiting.position, settled=False)
    desk.intake.settle(waiting.position)
    desk.intake.take(sent(made, Frame(Kind.CREDIT, 0, 0), 2))

    assert (before, desk.grants[-1][1].done) == (0, 2)
    assert (desk.answers, desk.refused()) == ([], {"frame.duplicate": 1})


def test_one_sender_too_many_is_told(made):
    """The others keep what they have."""
    desk = Desk(made.stage(), max_senders=1)
    desk.intake.take(sent(made, made.frame(0), hop=1))
    desk.intake.take(sent(made, made.frame(1), hop=2))

    assert (len(desk.inbox), desk.answers) == (1, [(1, "lane.full")])
    assert desk.refused() == {"lane.full": 1}


def test_a_full_inbox_refuses(made):
    """The last wall, for a sender that does not keep to its credit."""
    desk = Desk(made.stage(), frames=2)
    for index in range(3):
        desk.intake.take(sent(made, made.frame(index), index))

    assert desk.answers == [(2, "inbox.full")]
    assert len(desk.inbox) == 2


@pytest.mark.parametrize(
    ("upstream", "sender", "client", "taken"),
    [
        (("d0",), "d0", "c", True),
        (("d0",), "d9", "c", False),
        (("d0",), "c", "c", False),
        ((), "c", "c", True),
        ((), "d0", "c", False),
        ((), "c", None, False),
    ],
)
def test_who_may_send(made, upstream, sender, client, taken):
    """Neighbours to a later stage, clients for themselves to the first."""
    desk = Desk(made.stage(upstream=upstream))

    desk.intake.take(sent(made, made.frame(meta={"client": client}), sender=sender))

    assert len(desk.inbox) == taken
    assert desk.refused() == ({} if taken else {"frame.malformed": 1})


def test_extra_tensors_do_no_harm(made, desk):
    """A frame may carry more than a stage takes: it is passed on or left behind later."""
    tensors = codecs.tensors({"x": np.ones(1, np.float32), "other": np.ones(9)})
    rich = Frame(Kind.DATA, 5, 0, generation=7, stage=1, meta={"client": "c"}, tensors=tensors)

    desk.intake.take(sent(made, rich))

    assert len(desk.inbox) == 1


def test_a_frame_that_becomes_too_large_is_refused(made, desk):
    """A few bytes that would be a million when they are decoded: not more than a frame may have."""
    many = codecs.tensors({"x": np.zeros(1 << 20, np.float32)}, "int8_tensor+zstd")
    meta = codecs.meta({"client": "c"}, "int8_tensor+zstd")
    small = Frame(Kind.DATA, 5, 0, generation=7, stage=1, meta=meta, tensors=many)
    data = sent(made, small)

    desk.intake.take(data)

    assert len(data) < 1 << 12
    assert (len(desk.inbox), desk.answers) == (0, [(0, "frame.too_large")])


@pytest.mark.parametrize("error", [MemoryError, ValueError])
def test_a_frame_that_cannot_even_be_taken_ends(made, desk, error):
    """Else its sender would wait for ever for what was never run."""

    def claim(_waiting):
        raise error

    desk.intake.claim = claim
    with pytest.raises(error):
        desk.intake.take(sent(made, made.frame()), may_work=True)
    desk.intake.take(sent(made, Frame(Kind.CREDIT, 0, 0), 1))

    assert desk.answers == [(0, "internal")]
    assert desk.grants[-1][1].ran == 1
