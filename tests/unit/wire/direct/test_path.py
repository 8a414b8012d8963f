"""One hop's way: when its receiver counts as one that cannot be reached directly."""

import pytest

from wire.direct.path import Neighbour, Path


@pytest.fixture
def way():
    """A hop that has no other way."""
    return Path(Neighbour("d1"), alone=True)


def tried(way, *instants):
    """Let a try fail at each of these."""
    for now in instants:
        way.failed("nothing is offered", now, now)


@pytest.mark.parametrize(
    ("instants", "given_up"),
    [
        ((100,), False),
        ((100, 102, 104), False),
        ((100, 102, 104, 106), True),
        ((100, 130), False),
        ((100, 102, 130, 132), False),
        ((100, 102, 130, 132, 134, 136), True),
    ],
)
def test_it_is_given_up_when_tries_failed_for_long(way, instants, given_up):
    """Once, and silence since then, tells nothing: a worker may be starting."""
    tried(way, *instants)

    assert way.given_up(0) is given_up


def test_what_failed_before_somebody_came_is_not_held_against_it(way):
    """A later stream is tried for as long as the first one."""
    tried(way, 100, 102, 104, 106)
    before = way.given_up(105)
    tried(way, 108, 110)

    assert before is False
    assert way.given_up(105)


def test_a_try_may_take_its_time(way):
    """Addresses that do not answer take seconds each."""
    way.failed("no answer", 100, 110)
    way.failed("no answer", 112, 122)

    assert way.given_up(0)


@pytest.mark.parametrize(("lasted", "soon"), [(3.0, True), (0.5, False)])
def test_after_a_connection_that_stood_for_a_while_it_is_asked_again_at_once(way, lasted, soon):
    """Frames wait meanwhile; one that ends again and again is asked for less often."""
    now, asked = 100.0, []
    for _ in range(10):
        connection = object()
        way.stands(connection, now)
        way.switch(now)
        now += lasted
        way.ended(connection, now)
        asked.append(way.asks(now + 0.21))
        now += 3

    assert all(asked) is soon
