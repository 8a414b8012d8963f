"""How long a session waits before it connects again."""

import heapq
import random
import socket

import pytest

from wire.mqtt.connection import CONNECT_SECONDS
from wire.reconnects import (
    FIRST_CONTESTED_SECONDS,
    FIRST_DELAY_SECONDS,
    LONGEST_CONTESTED_SECONDS,
    LONGEST_DELAY_SECONDS,
    LONGEST_UNATTENDED_SECONDS,
    UNCONTESTED_SECONDS,
    Reconnects,
    nobody_listens,
)


@pytest.fixture
def reconnects():
    """Delays of one session."""
    return Reconnects(random.Random(7))


def crowd_returns(count, *, away_seconds, per_second):
    """Return when each connects again, in seconds after the broker.

    It serves ``per_second``. Whoever is not served in time hangs up, which costs the broker half of
    what serving costs.
    """
    rng = random.Random(7)
    crowd = [Reconnects(rng) for _ in range(count)]
    attempts = [(each.after_loss(60.0, contested=False), n) for n, each in enumerate(crowd)]
    heapq.heapify(attempts)
    returned, free_at = [], away_seconds
    while attempts:
        now, number = heapq.heappop(attempts)
        if now < away_seconds:
            wait = crowd[number].after_failure(unattended=True)
            heapq.heappush(attempts, (now + wait, number))
            continue
        free_at = max(free_at, now)
        if free_at + 1 / per_second <= now + CONNECT_SECONDS:
            free_at += 1 / per_second
            returned.append(free_at - away_seconds)
        else:
            free_at += 0.5 / per_second
            wait = CONNECT_SECONDS + crowd[number].after_failure()
            heapq.heappush(attempts, (now + wait, number))
    return returned


@pytest.mark.parametrize(
    ("unattended", "longest"),
    [(False, LONGEST_DELAY_SECONDS), (True, LONGEST_UNATTENDED_SECONDS)],
)
def test_a_broker_that_is_away_for_an_hour(reconnects, unattended, longest):
    """It is tried all the time, neither in a busy loop nor so rarely that its return is missed."""
    waits = []
    while sum(waits) < 3600:
        waits.append(reconnects.after_failure(unattended=unattended))

    assert max(waits) <= longest
    assert min(waits[7:]) >= longest / 2


def test_a_broker_that_comes_up_but_does_not_manage_is_left_alone(reconnects):
    """The wait has grown meanwhile, although nobody listened."""
    for _ in range(9):
        reconnects.after_failure(unattended=True)

    assert reconnects.after_failure() >= LONGEST_DELAY_SECONDS / 2


def test_a_crowd_returns_within_seconds_to_a_broker_that_can_take_it():
    """900 connections, 100 of them a second: as soon as it can serve them, and none hangs up."""
    returned = crowd_returns(900, away_seconds=20, per_second=100)

    assert max(returned) <= 900 / 100 + 1


@pytest.mark.parametrize("away_seconds", [0.05, 1, 20])
def test_a_crowd_returns_to_a_broker_that_is_slower_than_it(away_seconds):
    """Those that were not served keep away long enough for the others: 900, 30 of them a second."""
    returned = crowd_returns(900, away_seconds=away_seconds, per_second=30)

    assert max(returned) <= 180


def test_nobody_listens_where_a_kernel_says_so():
    """A closed port; not a name that is unknown, nor a silence."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError) as refused:
            socket.create_connection(closed.getsockname())

    assert nobody_listens(refused.value)
    assert not nobody_listens(TimeoutError("timed out"))
    assert not nobody_listens(socket.gaierror(socket.EAI_NONAME, "Name or service not known"))


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
