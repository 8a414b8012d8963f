"""The table of an assignment's life: complete, safe to restart anywhere, and never a dead end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.lifecycle import (
    AT_REST,
    TRANSITIONS,
    Effect,
    Event,
    IllegalTransitionError,
    State,
    advance,
)

LIVE = [state for state in State if state is not State.RELEASED]
HAS_WORKER = {State.LOADING, State.WARMING, State.SERVING, State.DRAINING}
ENDED_IN = {
    Effect.FETCH: Event.FETCHED,
    Effect.LOAD: Event.LOADED,
    Effect.WARM_UP: Event.WARMED,
    Effect.OPEN_INPUT: Event.OPENED,
}


@pytest.mark.parametrize("state", LIVE)
@pytest.mark.parametrize("event", [Event.REVOKED, Event.RESTARTED])
def test_fleet_can_always_revoke_and_power_can_always_fail(state, event):
    """No live state is stuck when it is revoked or the device restarts."""
    advance(state, event)


@pytest.mark.parametrize("state", LIVE)
def test_every_live_state_reaches_released(state):
    """From anywhere there is a path to RELEASED, so memory always comes back."""
    reached, frontier = {state}, [state]
    while frontier:
        here = frontier.pop()
        new = {step.state for (s, _), step in TRANSITIONS.items() if s is here} - reached
        frontier += new
        reached |= new

    assert State.RELEASED in reached


def test_the_way_to_serving():
    """Each effect ends in the event that leads on, until the input is open."""
    state, effects = advance(State.ASSIGNED, Event.STARTED)
    way = [state]
    while effects:
        state, effects = advance(state, ENDED_IN[effects[-1]])
        way.append(state)

    assert way == [
        State.FETCHING, State.LOADING, State.WARMING, State.WARMING, State.SERVING
    ]  # fmt: skip


@pytest.mark.parametrize("state", sorted(HAS_WORKER))
def test_a_lost_worker_is_known_wherever_there_is_one(state):
    """Where a process can die, its death has a row, and what is left of it is cleared away."""
    assert advance(state, Event.WORKER_LOST).effects[0] is Effect.UNLOAD


@pytest.mark.parametrize("state", sorted({*HAS_WORKER, State.FETCHING}))
def test_what_can_fail_ends_without_a_worker(state):
    """A failure is FAILED, or RELEASED when it was going anyway; the worker is unloaded."""
    after, effects = advance(state, Event.FAILED)

    assert after in {State.FAILED, State.RELEASED}
    assert (Effect.UNLOAD in effects) == (state in HAS_WORKER)


@pytest.mark.parametrize(("key", "step"), TRANSITIONS.items())
def test_nothing_is_released_with_its_worker(key, step):
    """Whoever had a worker unloads it on the way to RELEASED, unless the agent itself was gone."""
    state, event = key
    if step.state is State.RELEASED and state in HAS_WORKER and event is not Event.RESTARTED:
        assert step.effects[-1] is Effect.UNLOAD


def test_a_serving_segment_drains_when_it_is_revoked():
    """What it took is finished before the worker goes."""
    assert advance(State.SERVING, Event.REVOKED) == (State.DRAINING, (Effect.CLOSE_INPUT,))
    assert advance(State.DRAINING, Event.DRAINED) == (State.RELEASED, (Effect.UNLOAD,))


def test_released_is_the_end():
    """No event leads out of RELEASED, and none is needed."""
    assert [key for key in TRANSITIONS if key[0] is State.RELEASED] == []
    assert State.RELEASED in AT_REST


@given(st.sampled_from(State), st.sampled_from(Event))
def test_what_is_not_in_the_table_is_an_error(state, event):
    """A pair is a row, or is refused by name: never ignored."""
    if (state, event) in TRANSITIONS:
        assert advance(state, event) is TRANSITIONS[state, event]
        return

    with pytest.raises(IllegalTransitionError, match=f"{event} has no transition from {state}"):
        advance(state, event)


@given(st.lists(st.sampled_from(Event), max_size=30))
def test_any_history_restarts_into_work_or_rest(events):
    """Whatever happened before, a restart of the agent leaves no state that waits for nothing."""
    state = State.ASSIGNED
    for event in events:
        if (state, event) in TRANSITIONS:
            state = advance(state, event).state
    if state is State.RELEASED:
        return

    after, effects = advance(state, Event.RESTARTED)

    assert after in AT_REST or effects
