"""How a stream ends: at its end, undeployed, closed, or by what its frames raise; all accounted."""

import itertools

import msgspec
import numpy as np
import pytest

from paceline import stream as streams
from paceline.errors import PipelineUndeployedError, PipelineUnknownError, SiteClosedError
from paceline.stream import Stream
from tests.unit.paceline.planes import ROUTE, Answering, Plane, Routing, answer, one
from wire.errors import TensorSpecError

NEXT = msgspec.structs.replace(ROUTE, generation=4)


def drained(stream, frames):
    """Return the answers of a run, and what was raised behind them."""
    answers = []
    try:
        answers.extend(stream.run(frames, None))
    except Exception as error:
        return answers, error
    return answers, None


def reasons(answers):
    """Return why each frame failed; None where it did not."""
    return [each.error.reason if each.error else None for each in answers]


def endless(count, then):
    """Yield frames without end; behind the first ``count`` of them, something happens."""
    for number in itertools.count():
        if number == count:
            then()
        yield one(number)


@pytest.fixture
def routing():
    """A route that the test takes away."""
    return Routing()


def undeploy(routing):
    """Return what takes the route away."""
    return lambda: setattr(routing, "route", None)


# --- undeployed


def test_undeployed_in_mid_stream(routing):
    """Sent and waiting frames end as pipeline.undeployed, no more are taken, the error says so."""
    plane = Plane(credit=2)
    stream = Stream(plane, routing, window=4, gone_seconds=0)

    answers, error = drained(stream, endless(3, undeploy(routing)))
    account = stream.account("p")

    assert reasons(answers) == ["pipeline.undeployed"] * 3
    assert [each.sent_ns is None for each in answers] == [False, False, True]
    assert (account.submitted, account.errors) == (3, {"pipeline.undeployed": 3})
    assert (account.in_flight, account.lost) == (0, 0)
    assert isinstance(error, PipelineUndeployedError)
    assert "deploy it again" in str(error)


def test_the_frame_taken_last_is_not_counted_when_it_cannot_be_submitted(routing):
    """It was taken from the iterable, but never submitted."""
    stream = Stream(Answering(), routing, window=4, gone_seconds=0)
    taken = []

    def frames():
        for each in endless(3, undeploy(routing)):
            taken.append(each)
            yield each

    answers, error = drained(stream, frames())

    assert (len(taken), stream.accounting.submitted, len(answers)) == (4, 3, 3)
    assert reasons(answers) == [None] * 3
    assert isinstance(error, PipelineUndeployedError)


def test_undeployed_behind_the_last_frame(routing):
    """Nothing was left to submit: each frame's answer says what became of it, none is raised."""
    stream = Stream(Plane(), routing, window=4, gone_seconds=0)

    def frames():
        yield from (one(), one())
        routing.route = None

    answers, error = drained(stream, frames())

    assert (reasons(answers), error) == (["pipeline.undeployed"] * 2, None)


def test_what_is_answered_while_the_route_is_gone_is_a_result(routing):
    """Its devices finish what they took."""
    plane = Plane(credit=1)
    stream = Stream(plane, routing, window=4, gone_seconds=60)
    stream.submit(one())
    stream.submit(one())
    routing.route = None
    stream.pump()
    stream.answered(answer(0))

    assert reasons(stream.take()) == [None]
    assert stream.accounting.in_flight == 1


@pytest.mark.parametrize("route", [ROUTE, NEXT], ids=["the same", "a new generation"])
def test_a_route_that_is_gone_for_a_moment(routing, route):
    """Frames wait for it, and go where it then points; none is lost."""
    plane = Answering()
    stream = Stream(plane, routing, window=4, gone_seconds=60)
    looks = itertools.count()

    def look():
        if routing.route is None and next(looks) == 3:
            routing.route = route
        return routing()

    stream._route = look
    frames = itertools.islice(endless(2, undeploy(routing)), 5)

    answers, error = drained(stream, frames)

    assert (reasons(answers), error) == ([None] * 5, None)
    assert [sent.generation for sent in plane.sent] == [3, 3, *[route.generation] * 3]


def test_waiting_frames_follow_the_route_to_a_new_generation(routing):
    """What had no credit yet goes to the new entry."""
    plane = Plane(credit=1)
    stream = Stream(plane, routing, window=4)
    for _ in range(3):
        stream.submit(one())
    routing.route, plane.credit = NEXT, 3
    stream.pump()

    assert [sent.generation for sent in plane.sent] == [3, 4, 4]
    assert stream.accounting.in_flight == 3


def test_submitting_without_a_route_counts_nothing(routing):
    """It is refused before the frame is entered."""
    stream = Stream(Plane(), routing)
    routing.route = None

    with pytest.raises(PipelineUnknownError, match=r"paceline deploy .* --name p"):
        stream.submit(one())

    assert stream.accounting.submitted == 0


@pytest.mark.parametrize("gone_seconds", [0, 60])
def test_closing_without_a_route_raises_nothing(routing, gone_seconds):
    """Every frame has ended then, once."""
    plane = Plane(credit=1)
    stream = Stream(plane, routing, gone_seconds=gone_seconds)
    stream.submit(one())
    stream.submit(one())
    routing.route = None
    stream.pump()
    stream.close()

    assert (stream.accounting.in_flight, stream.accounting.errors.total()) == (0, 2)
    assert plane.forgotten == [7]


# --- closed


def test_the_site_is_closed_in_mid_stream(routing):
    """Every frame ends as client.closed and the stream says what was closed."""
    stream = Stream(Plane(), routing, window=4)

    answers, error = drained(stream, endless(3, lambda: setattr(routing, "closed", True)))

    assert reasons(answers) == ["client.closed"] * 3
    assert stream.accounting.in_flight == 0
    assert isinstance(error, SiteClosedError)


def test_a_caller_that_takes_no_more(routing):
    """What has no answer when the generator is closed ends as client.closed."""
    stream = Stream(Plane(), routing, window=4)
    answers = stream.run(endless(3, lambda: stream.answered(answer(0))), None)
    first = next(answers)
    answers.close()
    stream.close()
    account = stream.account("p")

    assert first.error is None
    assert (account.submitted, account.results, account.in_flight) == (4, 1, 0)
    assert account.errors == {"client.closed": 3}


@pytest.fixture
def plane_and_stream(routing):
    """A plane that answers at once, and a stream on it."""
    plane = Answering()
    return plane, Stream(plane, routing, window=4)


def test_closing_rests_while_it_waits_for_a_word(plane_and_stream, monkeypatch):
    """Also when an answer lies there that nobody takes any more."""
    monkeypatch.setattr(streams, "LATE_SECONDS", 0.3)
    plane, stream = plane_and_stream
    stream._deadline_seconds = 0
    plane.says = lambda _: "frame.duplicate"
    stream.submit(one())
    before = len(plane.waiting)
    stream.close()

    assert stream.accounting.lost == 1
    assert len(plane.waiting) - before < 10


# --- by what the frames are


class CameraError(Exception):
    """The application's own."""


def test_what_the_frames_raise_comes_behind_their_answers(plane_and_stream):
    """The frames under way still end, and the account adds up."""
    _, stream = plane_and_stream

    def frames():
        yield one(1)
        yield one(2)
        raise CameraError("unplugged")

    answers, error = drained(stream, frames())

    assert [float(each["x"][0]) for each in answers] == [0, 0]
    assert isinstance(error, CameraError)
    assert (stream.accounting.submitted, stream.accounting.in_flight) == (2, 0)


@pytest.mark.parametrize("wrong", [None, {}, {"x": np.zeros(2, np.float32)}, "x"])
def test_a_wrong_frame_ends_the_stream_behind_the_answers_before_it(plane_and_stream, wrong):
    """Also one that is None: it does not pass for the end."""
    _, stream = plane_and_stream

    answers, error = drained(stream, [one(), wrong, one()])

    assert reasons(answers) == [None]
    assert isinstance(error, TensorSpecError)
    assert stream.accounting.submitted == 1


def test_nothing_is_waited_for_behind_the_last_answer(plane_and_stream):
    """A single frame costs no tick of a clock."""
    plane, stream = plane_and_stream
    answers = stream.run([one()], None)
    next(answers)
    ticks = len(plane.waiting)

    assert list(answers) == []
    assert len(plane.waiting) == ticks
