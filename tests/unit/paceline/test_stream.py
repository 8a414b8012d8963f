"""A stream over a plane that does what the test says: in order, accounted, and never stuck."""

import msgspec
import numpy as np
import pytest

from paceline.errors import FrameFailedError
from paceline.stream import Stream
from tests.unit.paceline.planes import ROUTE, Plane, answer, error, one
from wire.errors import TensorSpecError, UnknownPluginError
from wire.frame import Kind
from wire.hop import Lost


@pytest.fixture
def plane():
    """Return a plane with credit for everything."""
    return Plane()


@pytest.fixture
def stream(plane):
    """Return a stream on it."""
    return Stream(plane, lambda: ROUTE, window=4, deadline_seconds=60)


def test_frames_are_addressed_by_the_route(plane, stream):
    """Generation and entry stage of the route, the client's name, and the time that is left."""
    stream.submit(one())
    (sent,) = plane.sent

    assert (sent.kind, sent.stream, sent.sequence) == (Kind.DATA, 7, 0)
    assert (sent.generation, sent.stage, sent.meta["client"]) == (3, 0, "c")
    assert 0 < sent.deadline_ms <= 60_000


@pytest.mark.parametrize(
    ("routed", "chosen", "used"),
    [("raw", None, None), ("fp16", None, "fp16"), ("fp16", "int8_tensor", "int8_tensor"),
     ("fp16", "raw", None)],
)  # fmt: skip
def test_frames_are_coded_as_the_route_says_or_the_client(plane, routed, chosen, used):
    """The client's word wins; raw frames name no codec."""
    route = msgspec.structs.replace(ROUTE, codec=routed)
    Stream(plane, lambda: route, codec=chosen).submit(one())
    (sent,) = plane.sent

    assert sent.meta.get("codec") == used


def test_a_route_whose_codec_is_not_known_here_ends_the_stream(plane):
    """A newer deploy than this client: it says which codecs it knows."""
    route = msgspec.structs.replace(ROUTE, codec="int4")
    stream = Stream(plane, lambda: route)

    with pytest.raises(UnknownPluginError, match="int4"):
        list(stream.run([one()], None))


def test_answers_are_taken_in_the_order_of_submission(stream):
    """Those that come early wait for those before them."""
    for value in range(3):
        stream.submit(one(value))
    stream.answered(answer(2, 2))
    stream.answered(answer(1, 1))
    early = list(stream.take())
    stream.answered(answer(0, 0))

    assert early == []
    assert [float(a["x"][0]) for a in stream.take()] == [0, 1, 2]
    assert stream.finished


def test_the_window_counts_what_is_not_yet_taken(stream):
    """An answer that nobody has taken still fills the window."""
    for _ in range(4):
        stream.submit(one())
    stream.answered(answer(0))
    full = stream.room

    list(stream.take())

    assert (full, stream.room) == (False, True)


def test_an_error_is_an_answer_that_raises_when_it_is_used(stream):
    """It keeps code, sentence and place."""
    stream.submit(one())
    stream.answered(error(0, code="runtime.failed", message="no", device="d2"))
    (got,) = stream.take()

    assert (got.error.reason, got.error.where) == ("runtime.failed", "d2")
    with pytest.raises(FrameFailedError, match=r"frame 0: runtime\.failed on d2"):
        got["x"]


@pytest.mark.parametrize("told", [{}, {"code": 7}, {"code": "a" * 999, "message": "b" * 9999}])
def test_any_error_can_be_understood(stream, told):
    """Whatever a stage wrote into it, the frame ends with some code of bounded length."""
    stream.submit(one())
    stream.answered(error(0, **told))
    (got,) = stream.take()

    assert 1 <= len(got.error.reason) <= 64
    assert len(str(got.error)) < 800


def test_a_result_that_cannot_be_read_ends_its_frame(stream):
    """It is an error with the reason, not a hole."""
    stream.submit(one())
    stream.answered(answer(0, meta={"codec": "none"}))
    (got,) = stream.take()

    assert got.error.reason == "frame.malformed"


def test_a_second_answer_is_late(stream):
    """Each frame ends once."""
    stream.submit(one())
    stream.answered(answer(0))
    stream.answered(answer(0))

    assert (stream.accounting.results, stream.accounting.late) == (1, 1)
    assert stream.accounting.balanced


@pytest.mark.parametrize(("code", "turns"), [("worker.lost", 2), ("link.lost", 4)])
def test_what_the_entry_lost_is_sent_again(code, turns):
    """So often, and then it ends as what it is; each time with what is left of its deadline."""
    plane = Plane()
    stream = Stream(plane, lambda: ROUTE, deadline_seconds=60)
    stream.submit(one())
    while not stream.accounting.errors:
        stream.lost(Lost(plane.sent[-1], code))
        stream.pump()

    assert [frame.sequence for frame in plane.sent] == [0] * turns
    assert all(0 < frame.deadline_ms <= 60_000 for frame in plane.sent)
    assert stream.accounting.errors == {code: 1}


def test_what_may_have_ended_the_entry_is_sent_alone():
    """Behind what was only lost on the link, and before what never left."""
    plane = Plane()
    stream = Stream(plane, lambda: ROUTE, deadline_seconds=60)
    for _ in range(3):
        stream.submit(one())
    stream.lost(Lost(plane.sent[0], "worker.lost", alone=True))
    stream.lost(Lost(plane.sent[1], "link.lost"))
    stream.lost(Lost(plane.sent[2], "worker.lost", cleared=True))
    stream.submit(one())

    assert [frame.sequence for frame in plane.sent] == [0, 1, 2, 1, 2, 0, 3]
    assert plane.alone == [False] * 5 + [True, False]


def test_what_was_lost_and_waits_until_its_deadline_is_explained():
    """The entry stays away: the client itself knows why there is no answer."""
    plane = Plane(credit=1)
    stream = Stream(plane, lambda: ROUTE, deadline_seconds=0.5)
    stream.submit(one())
    stream.lost(Lost(plane.sent[-1], "worker.lost"))
    while stream.accounting.in_flight:
        stream.pump()

    assert stream.accounting.errors == {"frame.deadline": 1}
    assert stream.accounting.lost == 0


def test_losses_of_two_kinds_are_counted_apart():
    """A link that loses it does not use up what the loss of a worker allows."""
    plane = Plane()
    stream = Stream(plane, lambda: ROUTE, deadline_seconds=60)
    stream.submit(one())
    for code in ("link.lost", "worker.lost", "link.lost", "link.lost"):
        stream.lost(Lost(plane.sent[-1], code))
        stream.pump()

    assert len(plane.sent) == 5
    assert stream.accounting.in_flight == 1


def test_what_has_its_answer_is_not_sent_again(stream):
    """Its sender may hear late that it was not lost at all."""
    stream.submit(one())
    sent = stream._plane.sent[-1]
    stream.answered(answer(0))
    stream.lost(Lost(sent, "worker.lost"))
    stream.pump()

    assert len(stream._plane.sent) == 1
    assert (stream.accounting.results, stream.accounting.late) == (1, 0)


def test_answers_to_frames_that_were_never_submitted_change_nothing(stream):
    """They are late, and no answer appears."""
    stream.answered(answer(5))
    stream.answered(error(6, code="x.y"))

    assert list(stream.take()) == []
    assert (stream.accounting.late, stream.accounting.in_flight) == (2, 0)


def test_frames_wait_for_credit_and_ask_for_it():
    """What cannot be sent stays here, and leaves in order when there is credit."""
    plane = Plane(credit=1)
    stream = Stream(plane, lambda: ROUTE, window=4, deadline_seconds=60)
    for _ in range(3):
        stream.submit(one())
    stream.wait(60, lambda: plane.waiting[-1])
    left = len(plane.sent)
    plane.credit = 3
    stream.wait(60, lambda: not plane.waiting[-1])

    assert left == 1
    assert [frame.sequence for frame in plane.sent] == [0, 1, 2]


def test_an_overdue_frame_that_never_left_is_explained():
    """No credit in time: ended by deadline, with a cause, and no longer waiting."""
    plane = Plane(credit=1)
    stream = Stream(plane, lambda: ROUTE, window=4, deadline_seconds=0)
    stream.submit(one())
    stream.submit(one())
    got = list(stream.take())
    stream.pump()

    assert [a.error.reason for a in got] == ["frame.deadline"] * 2
    assert ["no credit" in a.error.message for a in got] == [False, True]
    assert (len(plane.sent), stream.accounting.lost) == (1, 1)


def test_a_frame_that_never_fits_ends_at_once(plane, stream):
    """It is not sent, and does not stop the next."""
    plane.fits = False
    stream.submit(one())
    plane.fits = True
    stream.submit(one())

    assert [frame.sequence for frame in plane.sent] == [1]
    assert next(stream.take()).error.reason == "frame.too_large"


@pytest.mark.parametrize("inputs", [{}, {"x": np.zeros(1)}, {"x": np.zeros(2, np.float32)}])
def test_wrong_inputs_are_refused_before_they_count(stream, inputs):
    """Missing, another type or another shape."""
    with pytest.raises(TensorSpecError):
        stream.submit(inputs)

    assert stream.accounting.submitted == 0


def test_closing_ends_everything(plane, stream):
    """Nothing is in flight afterwards, and the plane forgets the stream."""
    for _ in range(3):
        stream.submit(one())
    stream.answered(answer(1))
    stream.close()
    account = stream.account("p")

    assert (account.results, account.errors, account.in_flight) == (1, {"client.closed": 2}, 0)
    assert plane.forgotten == [7]


def test_an_empty_run_is_empty(stream):
    """No frames, no answers."""
    assert list(stream.run([], None)) == []
