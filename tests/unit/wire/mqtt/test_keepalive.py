"""A silent broker is noticed within one and a half keep-alives, and one that answers never."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from wire.mqtt.keepalive import LOOK_RATIO, Due, KeepAlive

SECONDS = 10.0
LOOK_SECONDS = LOOK_RATIO * SECONDS


def test_an_idle_connection_is_pinged_in_time():
    """Brokers allow one and a half keep-alives between two packets; one has to suffice."""
    keepalive, pings = KeepAlive(SECONDS, 0.0), [0.0]
    for look in range(1, 100):
        now = look * LOOK_SECONDS
        if keepalive.due(now, heard=True) is Due.PING:
            pings.append(now)

    assert max(b - a for a, b in itertools.pairwise(pings)) <= SECONDS
    assert len(pings) > 10


@given(heard=st.lists(st.floats(0.01, 60.0), max_size=20), phase=st.floats(0.0, 1.0))
def test_silence_is_noticed_within_one_and_a_half(heard, phase):
    """Whenever the last byte came, and whenever we look."""
    keepalive = KeepAlive(SECONDS, 0.0)
    before, last = 0.0, 0.0
    for look in itertools.count():
        now = (look + phase) * LOOK_SECONDS
        came = [at for at in heard if before < at <= now]
        last = max([last, *came])
        before = now
        if keepalive.due(now, heard=bool(came)) is Due.GIVE_UP:
            break

    assert now - last <= 1.5 * SECONDS + 1e-6


@given(delay=st.floats(0.0, 0.7))
def test_a_broker_that_answers_is_never_given_up(delay):
    """Though each answer takes most of a keep-alive."""
    keepalive, answers, now = KeepAlive(SECONDS, 0.0), [], 0.0
    for _ in range(300):
        now += LOOK_SECONDS
        came = [at for at in answers if at <= now]
        answers = [at for at in answers if at > now]
        due = keepalive.due(now, heard=bool(came))
        assert due is not Due.GIVE_UP
        if due is Due.PING:
            answers.append(now + delay * SECONDS)
