"""Whether somebody else uses an agent's id."""

import pytest

from agent.supervisor.namesake import ALARM_SECONDS, CONNECTIONS, MAX_STARTS, Namesake
from wire.messages import Status

START = 5


@pytest.fixture
def namesake():
    """What an agent knows at its first connection, before its birth."""
    made = Namesake(START, "ours")
    made.connecting(1)
    return made


def said(state="online", *, instance="theirs", start=START, connection=1):
    """Return what somebody said on our status topic."""
    session = start * CONNECTIONS + connection
    return Status(state=state, session=session, boot="b", instance=instance)


def test_what_stands_there_at_the_first_connection_is_our_own_past(namesake):
    """A process that was killed left its birth; a new one starts without an alarm."""
    assert not namesake.is_another(said(start=START - 1), 0.0)
    assert namesake.problem(0.0) is None


def test_a_late_will_of_our_own_past_is_no_namesake(namesake):
    """The broker may notice the death of the process before only now."""
    namesake.born(0.0)

    assert not namesake.is_another(said("lost", start=START - 1), 60.0)
    assert not namesake.is_another(said(start=START - 1), 1.0)


@pytest.mark.parametrize("state", ["online", "offline", "lost"])
def test_another_process_between_two_connections_is_one(namesake, state):
    """While we were there once already, nobody else may have spoken for us."""
    for _ in range(2):
        namesake.born(0.0)

    assert namesake.is_another(said(state), 7.0)
    assert namesake.problem(8.0).code == "control.taken_over"
    assert namesake.problem(8.0 + ALARM_SECONDS) is None


def test_our_own_word_is_none(namesake):
    """Also an old one of an earlier connection."""
    for _ in range(3):
        namesake.born(0.0)

    assert not namesake.is_another(said("lost", instance="ours"), 60.0)


def test_a_session_that_would_win_is_outdone_once(namesake):
    """A journal that was lost must not bury our births; a forger must not make us run."""
    first = namesake.outdoes(said(start=40, connection=9))
    namesake.connecting(2)
    won = namesake.session
    again = namesake.outdoes(said(start=90))

    assert (first, again) == (True, False)
    assert won == 41 * CONNECTIONS + 2


def test_a_session_beyond_all_is_not_followed(namesake):
    """No device starts a million times."""
    assert not namesake.outdoes(said(start=MAX_STARTS + 1))
    assert not namesake.outdoes(said(start=START - 1))
