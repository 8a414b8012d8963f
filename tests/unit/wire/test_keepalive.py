"""A silent broker is noticed within one and a half keep-alives, and one that answers never."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from wire.keepalive import LOOK_RATIO, Due, KeepAlive

SECONDS = 10.0
LOOK_SECONDS = LOOK_RATIO * SECONDS


def test_an_idle_connection_is_pinged_in_time():
    """Brokers allow one and a half keep-alives between two packets; one has to suffice."""
    keepalive, pings = KeepAlive(SECONDS, 0.0), [0.0]
    for look in range(1, 100):
        now = look * LOOK_SECONDS
        if keepalive.due(now) is Due.PING:
            pings.append(now)
            keepalive.heard(now)

    assert max(b - a for a, b in itertools.pairwise(pings)) <= SECONDS
    assert len(pings) > 10


@given(heard=st.lists(st.floats(0.01, 60.0), max_size=20))
def test_silence_is_noticed_within_one_and_a_half(heard):
    """Whenever the last byte came."""
    keepalive, now, looks = KeepAlive(SECONDS, 0.0), 0.0, 0
    for gap in sorted(heard):
        while (looks + 1) * LOOK_SECONDS < gap:
            looks += 1
            if keepalive.due(looks * LOOK_SECONDS) is Due.GIVE_UP:
                return
        now = gap
        keepalive.heard(now)
    last = now
    while keepalive.due(looks * LOOK_SECONDS) is not Due.GIVE_UP:
        looks += 1

    assert looks * LOOK_SECONDS - last <= 1.5 * SECONDS + 1e-6


@given(delay=st.floats(0.0, 0.9))
def test_a_broker_that_answers_is_never_given_up(delay):
    """Though each answer takes almost a keep-alive."""
    keepalive, answers, now = KeepAlive(SECONDS, 0.0), [], 0.0
    for _ in range(300):
        now += LOOK_SECONDS
        for answer in [a for a in answers if a <= now]:
            keepalive.heard(answer)
            answers.remove(answer)
        due = keepalive.due(now)
        assert due is not Due.GIVE_UP
        if due is Due.PING:
            answers.append(now + delay * SECONDS)
