"""The policy at the entry: which frames go through when there are more than the pipeline takes."""

import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from paceline import arguments
from paceline.errors import BadArgumentError
from paceline.policies import Policy
from paceline.read_ahead import MAX_PASSED, ReadAhead
from paceline.stream import Stream
from tests.unit.paceline.planes import ROUTE, Answering, Plane, answer, error, one
from wire.hop import Lost

LIVE = Policy.DROP_OLDEST


def live(plane, **options):
    """Return a stream that drops."""
    return Stream(
        plane, lambda: ROUTE, policy=LIVE, **{"window": 2, "deadline_seconds": 60} | options
    )


def outcomes(answers):
    """Return what each frame came to, by its number."""
    return {a.sequence: a.error.reason if a.error else "result" for a in answers}


def test_a_newer_frame_takes_the_place_of_the_one_that_waits():
    """One in flight is never dropped; the newest leaves as soon as there is room."""
    plane = Plane()
    stream = live(plane)
    for value in range(5):
        stream.submit(one(value))
    dropped = stream.accounting.drops
    for sequence in (0, 1):
        stream.answered(answer(sequence))
    early = list(stream.take())
    stream.pump()
    stream.answered(answer(4))

    assert dropped == 2
    assert [frame.sequence for frame in plane.sent] == [0, 1, 4]
    assert outcomes([*early, *stream.take()]) == {
        0: "result", 1: "result", 2: "frame.dropped", 3: "frame.dropped", 4: "result",
    }  # fmt: skip
    assert stream.accounting.errors == {}
    assert stream.finished


def test_without_credit_the_newest_frame_waits():
    """Also when the window has room: what waits for credit does not grow old."""
    plane = Plane(credit=1)
    stream = live(plane, window=8)
    for value in range(4):
        stream.submit(one(value))
    plane.credit = 2
    stream.pump()

    assert [frame.sequence for frame in plane.sent] == [0, 3]
    assert stream.accounting.drops == 2


def test_no_more_than_the_window_is_in_flight():
    """A frame that waits beside a full window leaves when an answer was taken."""
    plane = Plane()
    stream = live(plane, window=1)
    stream.submit(one())
    stream.submit(one())
    stream.answered(answer(0))
    stream.pump()
    before = len(plane.sent)
    list(stream.take())
    stream.pump()

    assert (before, len(plane.sent)) == (1, 2)


def test_a_dropped_frame_says_so_and_keeps_nothing():
    """It is an answer that raises when it is used; the inputs of a result come back with it."""
    plane = Plane(credit=0)
    stream = live(plane)
    given = [one(0), one(1)]
    for each in given:
        stream.submit(each)
    plane.credit = 1
    stream.pump()
    stream.answered(answer(1))
    dropped, result = stream.take()

    assert (dropped.dropped, result.dropped) == (True, False)
    assert dropped.inputs == {}
    assert result.inputs is given[1]
    assert "a newer one came" in str(dropped.error)


def test_with_block_nothing_is_ever_dropped():
    """What has no credit waits, all of it, up to the window."""
    plane = Plane(credit=1)
    stream = Stream(plane, lambda: ROUTE, window=4, deadline_seconds=60)
    for value in range(4):
        stream.submit(one(value))
    plane.credit = 9
    stream.pump()

    assert (len(plane.sent), stream.accounting.drops, stream.room) == (4, 0, False)


def test_a_run_goes_on_while_the_camera_waits_for_light():
    """An answer comes out although the next frame has not come in."""
    light = threading.Event()

    def camera():
        yield one(0)
        light.wait(10)
        yield one(1)

    answers = live(Answering()).run(camera(), None)
    first = next(answers)
    dark = not light.is_set()
    light.set()

    assert (first.sequence, dark) == (0, True)
    assert [each.sequence for each in answers] == [1]


def test_every_frame_that_came_has_an_answer_in_order():
    """Also those passed over while nobody took answers: the numbers are the camera's."""
    stream = live(Answering())
    filmed, more = [], threading.Event()

    def camera():
        for number in range(300):
            filmed.append(number)
            yield one(number)
            if number == 0:
                more.wait(10)

    answers = []
    for each in stream.run(camera(), None):
        answers.append(each)
        more.set()

    account = stream.account("p")
    assert [each.sequence for each in answers] == filmed == list(range(300))
    assert answers[-1].error is None
    assert account.submitted == 300 == account.results + account.drops
    sent = [each.inputs["x"][0] for each in answers if each.error is None]
    assert sent == [each.sequence for each in answers if each.error is None]


class CameraError(Exception):
    """The application's own."""


def test_what_the_camera_raises_comes_behind_the_answers():
    """As with any other frames."""

    def camera():
        yield one(0)
        raise CameraError

    answers = []
    with pytest.raises(CameraError):
        answers.extend(live(Answering()).run(camera(), None))

    assert outcomes(answers) == {0: "result"}


def test_a_caller_that_takes_no_more_lets_the_camera_go():
    """Its generator is closed, in the thread that ran it."""
    closed = threading.Event()

    def camera():
        try:
            while True:
                yield one()
        finally:
            closed.set()

    stream = live(Answering())
    answers = stream.run(camera(), None)
    next(answers)
    answers.close()
    stream.close()

    assert closed.wait(10)
    assert stream.accounting.in_flight == 0


def test_frames_that_are_read_ahead_can_be_a_job():
    """With ``block`` a source of its own thread loses nothing."""
    stream = Stream(Answering(), lambda: ROUTE, window=2, deadline_seconds=60)
    source = ReadAhead((one(number) for number in range(20)), room=3)

    answers = list(stream.run(source, None))

    assert outcomes(answers) == dict.fromkeys(range(20), "result")


@pytest.mark.parametrize("policy", ["drop", "", None, 1])
def test_a_policy_that_is_none_is_refused(policy):
    """The sentence names those that are."""
    with pytest.raises(BadArgumentError, match="'block' or 'drop_oldest'"):
        arguments.policy(policy)


class EntryMachine(RuleBasedStateMachine):
    """Everything that can happen at the entry, in any order, with either policy."""

    @initialize(policy=st.sampled_from(list(Policy)), window=st.integers(1, 4))
    def open(self, policy, window):
        """Begin a stream without credit, and a record of which frames have left and ended."""
        self.plane = Plane(credit=0)
        self.window = window
        self.policy = policy
        self.stream = Stream(
            self.plane, lambda: ROUTE, window=window, deadline_seconds=60, policy=policy
        )
        self.submitted = 0
        self.lost = set()
        self.taken = []

    @precondition(lambda self: self.stream.room)
    @rule()
    def submit(self):
        """A frame comes."""
        assert self.stream.submit(one(self.submitted)) == self.submitted
        self.submitted += 1

    @rule(more=st.integers(1, 3))
    def credit(self, more):
        """The entry grants more."""
        self.plane.credit = len(self.plane.sent) + more
        self.stream.pump()

    @rule(which=st.integers(0, 9), what=st.sampled_from(["result", "error", "lost", "late"]))
    def end(self, which, what):
        """A word comes on a frame that left: once, again, or on one that never was."""
        sent = self.plane.sent
        frame = sent[which % len(sent)] if sent else answer(which)
        sequence = frame.sequence
        if what == "result":
            self.stream.answered(answer(sequence, sequence))
        elif what == "error":
            self.stream.answered(error(sequence, code="runtime.failed"))
        elif what == "lost":
            self.lost.add(sequence)
            self.stream.lost(Lost(frame, "link.lost"))
        else:
            self.stream.answered(answer(sequence + 1000))

    @rule()
    def deadline(self):
        """Everything that has not ended is overdue."""
        for open_ in self.stream._ledger.unended.values():
            open_.deadline_at = 0.0
        self.stream._ledger.overdue_from = 0.0
        accounting = self.stream.accounting
        accounting._in_flight = dict.fromkeys(accounting._in_flight, 0.0)
        self.stream.pump()

    @rule()
    def take(self):
        """The application takes what there is."""
        self.taken += self.stream.take()

    @invariant()
    def the_sum_holds(self):
        """Every frame is in exactly one place."""
        account = self.stream.account("p")
        assert account.submitted == self.submitted
        assert account.submitted == (
            account.results + sum(account.errors.values()) + account.drops + account.in_flight
        )

    @invariant()
    def what_left_is_never_dropped_and_leaves_once_in_order(self):
        """Dropped frames were not sent; only what was lost leaves again, behind the others."""
        sent = [frame.sequence for frame in self.plane.sent]
        dropped = {a.sequence for a in self.taken if a.dropped}
        dropped |= {s for s, a in self.stream._ledger.answers.items() if a.dropped}
        first = list(dict.fromkeys(sent))
        assert first == sorted(first)
        again = Counter(sent) - Counter(first)
        assert set(again) <= self.lost
        assert not dropped & set(first)
        assert len(dropped) == self.stream.accounting.drops
        assert not (dropped and self.policy is Policy.BLOCK)

    @invariant()
    def it_is_bounded(self):
        """In flight or untaken: a window of what has left, and with drop_oldest one that waits."""
        ledger, live = self.stream._ledger, self.policy is LIVE
        alive = [f for f in self.stream._waiting if f.sequence in ledger.unended]
        assert len(alive) <= (1 if live else self.window)
        assert len(ledger.unfinished()) <= self.window + live
        assert ledger.untaken <= self.window + (MAX_PASSED if live else 0)

    @invariant()
    def answers_come_in_order_each_once(self):
        """One for each frame."""
        assert [a.sequence for a in self.taken] == list(range(len(self.taken)))

    def teardown(self):
        """At the end nothing is in flight, and every frame had its answer."""
        if hasattr(self, "stream"):
            self.deadline()
            self.take()
            assert self.stream.accounting.in_flight == 0
            assert len(self.taken) == self.submitted
            results = [a for a in self.taken if a.error is None]
            assert all(np.array_equal(a.inputs["x"], one(a.sequence)["x"]) for a in results)


TestEntry = EntryMachine.TestCase
TestEntry.settings = settings(max_examples=60, stateful_step_count=40)
