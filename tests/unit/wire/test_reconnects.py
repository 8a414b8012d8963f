"""How long a session waits before it connects again."""

import random

import pytest

from wire.reconnects import (
    FIRST_CONTESTED_SECONDS,
    FIRST_DELAY_SECONDS,
    LONGEST_CONTESTED_SECONDS,
    LONGEST_DELAY_SECONDS,
    UNCONTESTED_SECONDS,
    Reconnects,
)


@pytest.fixture
def reconnects():
    """Delays of one session."""
    return Reconnects(random.Random(7))


def test_a_broker_that_is_away_for_an_hour(reconnects):
    """It is tried all the time, neither in a busy loop nor so rarely that its return is missed."""
    waits = []
    while sum(waits) < 3600:
        waits.append(reconnects.after_failure())

    assert max(waits) <= LONGEST_DELAY_SECONDS
    assert min(waits[6:]) >= LONGEST_DELAY_SECONDS / 2
    assert 240 <= len(waits) <= 500


def test_a_connection_that_held_is_made_again_soon(reconnects):
    """What was waited before it no longer counts."""
    for _ in range(9):
        reconnects.after_failure()

    assert reconnects.after_loss(60.0, contested=False) <= FIRST_DELAY_SECONDS
    assert not reconnects.flapping


def test_connections_that_break_at_once_are_failures(reconnects):
    """A broker that accepts and hangs up is not asked as fast as it does."""
    waits = [reconnects.after_loss(0.1, contested=False) for _ in range(9)]

    assert waits[-1] >= LONGEST_DELAY_SECONDS / 2


def test_flapping_is_noticed_and_a_broker_that_restarts_is_not(reconnects):
    """Three in a row that broke at once, with no attempt between them that failed."""
    seen = []
    for _ in range(3):
        reconnects.after_loss(0.1, contested=False)
        seen.append(reconnects.flapping)
    reconnects.after_failure()

    assert (seen, reconnects.flapping) == ([False, False, True], False)


def test_a_contested_id_is_left_alone_longer_each_time(reconnects):
    """Up to minutes; an hour without a contest ends that."""
    waits = [reconnects.after_loss(20.0, contested=True) for _ in range(9)]
    after = reconnects.after_loss(UNCONTESTED_SECONDS, contested=True)

    assert waits[0] >= FIRST_CONTESTED_SECONDS / 2
    assert LONGEST_CONTESTED_SECONDS / 2 <= waits[-1] <= LONGEST_CONTESTED_SECONDS
    assert after <= FIRST_CONTESTED_SECONDS
