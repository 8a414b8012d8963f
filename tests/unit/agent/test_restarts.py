"""Lost workers come back after 0, 1 and 4 seconds, and three losses in a minute are too many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.restarts import FORGET_SECONDS, GIVE_UP_SECONDS, Losses


def lost_at(*instants):
    """Return the record of these losses."""
    losses = Losses()
    for now in instants:
        losses = losses.after(now)
    return losses


@pytest.mark.parametrize(
    ("instants", "delay_seconds"),
    [((), 0.0), ((0,), 0.0), ((0, 100), 1.0), ((0, 100, 200), 4.0), ((0, 100, 200, 300), 4.0)],
)
def test_delays_grow(instants, delay_seconds):
    """The first worker and the first successor start at once, later ones wait."""
    assert lost_at(*instants).delay_seconds == delay_seconds


@pytest.mark.parametrize(
    ("instants", "given_up"),
    [
        ((), False),
        ((0, 1), False),
        ((0, 1, 2), True),
        ((0, 1, GIVE_UP_SECONDS - 0.1), True),
        ((0, 1, GIVE_UP_SECONDS), False),
        ((0, 100, 200, 300, 400), False),
    ],
)
def test_three_in_a_minute_are_given_up(instants, given_up):
    """Three losses within 60 s end it; ever so many over a longer time do not."""
    assert lost_at(*instants).given_up is given_up


@pytest.mark.parametrize(("well_seconds", "given_up"), [(1, True), (29, True), (31, False)])
def test_how_long_a_hang_takes_to_be_seen_does_not_count(well_seconds, given_up):
    """Or else what hangs each time, and is seen after 40 s, would be started again for ever."""
    losses = Losses()
    for number in (1, 2, 3):
        losses = losses.after(number * (well_seconds + 40), unseen_seconds=40)

    assert losses.given_up is given_up


def test_old_losses_no_longer_delay():
    """After ten quiet minutes the next loss is like the first, but is still counted."""
    losses = lost_at(0, 1, FORGET_SECONDS + 1)

    assert losses.delay_seconds == 0.0
    assert losses.total == 3


@given(st.lists(st.floats(0, 1e6), max_size=50).map(sorted))
def test_the_record_is_bounded_and_the_total_is_not(instants):
    """However often it is lost, the record stays small and says how often."""
    losses = lost_at(*instants)

    assert len(losses.at) <= 10
    assert losses.total == len(instants)
