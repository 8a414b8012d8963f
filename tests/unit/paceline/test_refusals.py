"""A pipeline that takes no frames now is left alone, longer each time, until something changes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline import refusals as rules
from paceline.refusals import FIRST_SECONDS, LONGEST_SECONDS, NOT_NOW, Refusals
from paceline.stream import Stream
from tests.unit.paceline.planes import Answering, Routing, one

DRAINING = "worker.draining"


@pytest.fixture
def refusals():
    """Refusals of a pipeline whose route names generation 3."""
    made = Refusals()
    made.routed(3)
    return made


def refuse(refusals, times, now, *, code=DRAINING, generation=3, window=4):
    """Refuse so often; return the pause."""
    for _ in range(times):
        refusals.refused(code, generation, window, now)
    return refusals.pause_seconds(now)


def test_a_window_of_refusals_is_followed_by_a_pause(refusals):
    """Not the first of them: it may be on its way to a new entry."""
    assert [refuse(refusals, 3, 10.0), refuse(refusals, 1, 10.0)] == [0.0, FIRST_SECONDS]
    assert refusals.pause_seconds(10.0 + FIRST_SECONDS) == 0.0


def test_each_pause_is_twice_as_long_up_to_a_bound(refusals):
    """A pipeline that is gone is asked every two seconds."""
    assert [refuse(refusals, 4, 100.0 * n) for n in range(6)] == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize("change", [lambda r: r.answered(), lambda r: r.routed(4)])
def test_a_result_or_a_new_generation_ends_it(refusals, change):
    """At once, and the next pause is a short one again."""
    refuse(refusals, 8, 10.0)
    change(refusals)

    assert refusals.pause_seconds(10.0) == 0.0
    refusals.routed(3)
    assert refuse(refusals, 4, 10.0) == FIRST_SECONDS


def test_the_same_route_again_changes_nothing(refusals):
    """It does not move."""
    refuse(refusals, 4, 10.0)
    refusals.routed(3)

    assert refusals.pause_seconds(10.0) == FIRST_SECONDS


@pytest.mark.parametrize(
    "other",
    [{"code": "runtime.failed"}, {"code": "frame.deadline"}, {"generation": 2}],
    ids=["it failed", "it was late", "an older generation"],
)
def test_other_errors_are_no_refusals(refusals, other):
    """They say nothing of what the entry takes now."""
    assert refuse(refusals, 20, 10.0, **other) == 0.0


@given(
    st.lists(
        st.tuples(st.sampled_from([*NOT_NOW, "", "x.y"]), st.integers(2, 4), st.integers(1, 3))
    ),
    st.floats(0, 1e9),
)
def test_no_pause_is_longer_than_the_bound(told, now):
    """Whatever comes."""
    refusals = Refusals()
    for code, generation, window in told:
        refusals.routed(generation)
        refusals.refused(code, generation, window, now)
        assert 0.0 <= refusals.pause_seconds(now) <= LONGEST_SECONDS + 1e-6


def test_a_stream_submits_nothing_while_it_pauses(monkeypatch):
    """A draining entry refuses a window of frames; the others wait for the new generation."""
    monkeypatch.setattr(rules, "FIRST_SECONDS", 1000.0)
    monkeypatch.setattr(rules, "LONGEST_SECONDS", 1000.0)
    plane, routing = Answering(), Routing()
    refusals = Refusals()
    stream = Stream(plane, routing, window=4, refusals=refusals)
    plane.says = lambda frame: DRAINING if frame.generation == 3 else None
    pauses = []

    def moved_in_the_third_look():
        if refusals.pause_seconds(0.0):
            pauses.append(len(plane.sent))
        if len(pauses) == 3:
            routing.route = msgspec.structs.replace(routing.route, generation=4)
        return routing()

    stream._route = moved_in_the_third_look
    answers = list(stream.run((one() for _ in range(10)), None))

    assert pauses == [4, 4, 4]
    assert [a.error.reason if a.error else None for a in answers] == [DRAINING] * 4 + [None] * 6
    assert stream.accounting.errors == {DRAINING: 4}
    assert (stream.accounting.submitted, stream.accounting.in_flight) == (10, 0)
