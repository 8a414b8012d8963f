"""The life of one assignment, from 'told to run a segment' to 'gone'.

Rule 1: every state, every event and every transition is in TRANSITIONS.
Rule 2: nothing here does I/O. ``advance`` returns effects; the executor performs them and posts
back the event each one ends in.
Rule 3: entering a state cancels the unfinished effect of the one before, and a released
assignment is forgotten; so late or duplicate events never get here.

    ASSIGNED -> FETCHING -> LOADING -> WARMING -> SERVING -> DRAINING -> RELEASED

FETCHING also checks the digest and finds a kept copy, so a restart is safe anywhere. SERVING
begins when the input is really open: a route may point to it from then on.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from wire.errors import CodedError


class State(StrEnum):
    """Where an assignment is."""

    ASSIGNED = "assigned"
    FETCHING = "fetching"
    LOADING = "loading"
    WARMING = "warming"
    SERVING = "serving"
    DRAINING = "draining"
    RELEASED = "released"
    FAILED = "failed"


class Event(StrEnum):
    """What happened to it."""

    STARTED = "started"
    FETCHED = "fetched"
    LOADED = "loaded"
    WARMED = "warmed"
    OPENED = "opened"
    DRAINED = "drained"
    FAILED = "failed"
    WORKER_LOST = "worker_lost"
    """The process died or hung, and may be started again."""
    REVOKED = "revoked"
    RESTARTED = "restarted"
    """The agent itself was started again and finds the assignment in its journal."""


class Effect(StrEnum):
    """What the executor must do now, in the imperative."""

    FETCH = "fetch"
    LOAD = "load"
    WARM_UP = "warm_up"
    OPEN_INPUT = "open_input"
    CLOSE_INPUT = "close_input"
    UNLOAD = "unload"


class Step(NamedTuple):
    """The outcome of one event."""

    state: State
    effects: tuple[Effect, ...] = ()


class IllegalTransitionError(CodedError):
    """An event came in a state that does not know it: a bug in us."""

    code = "lifecycle.illegal_transition"

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(state, event)
        self.state = state
        self.event = event

    def __str__(self) -> str:
        return f"assignment: {self.event} has no transition from {self.state}; please report this"


S, E, F = State, Event, Effect

TRANSITIONS: Final[Mapping[tuple[State, Event], Step]] = MappingProxyType(
    {
        (S.ASSIGNED, E.STARTED): Step(S.FETCHING, (F.FETCH,)),
        (S.ASSIGNED, E.REVOKED): Step(S.RELEASED),
        (S.ASSIGNED, E.RESTARTED): Step(S.FETCHING, (F.FETCH,)),
        (S.FETCHING, E.FETCHED): Step(S.LOADING, (F.LOAD,)),
        (S.FETCHING, E.FAILED): Step(S.FAILED),
        (S.FETCHING, E.REVOKED): Step(S.RELEASED),
        (S.FETCHING, E.RESTARTED): Step(S.FETCHING, (F.FETCH,)),
        (S.LOADING, E.LOADED): Step(S.WARMING, (F.WARM_UP,)),
        (S.LOADING, E.FAILED): Step(S.FAILED, (F.UNLOAD,)),
        (S.LOADING, E.WORKER_LOST): Step(S.LOADING, (F.UNLOAD, F.LOAD)),
        (S.LOADING, E.REVOKED): Step(S.RELEASED, (F.UNLOAD,)),
        (S.LOADING, E.RESTARTED): Step(S.FETCHING, (F.FETCH,)),
        (S.WARMING, E.WARMED): Step(S.WARMING, (F.OPEN_INPUT,)),
        (S.WARMING, E.OPENED): Step(S.SERVING),
        (S.WARMING, E.FAILED): Step(S.FAILED, (F.UNLOAD,)),
        (S.WARMING, E.WORKER_LOST): Step(S.LOADING, (F.UNLOAD, F.LOAD)),
        (S.WARMING, E.REVOKED): Step(S.RELEASED, (F.UNLOAD,)),
        (S.WARMING, E.RESTARTED): Step(S.FETCHING, (F.FETCH,)),
        (S.SERVING, E.FAILED): Step(S.FAILED, (F.CLOSE_INPUT, F.UNLOAD)),
        (S.SERVING, E.WORKER_LOST): Step(S.LOADING, (F.UNLOAD, F.LOAD)),
        (S.SERVING, E.REVOKED): Step(S.DRAINING, (F.CLOSE_INPUT,)),
        (S.SERVING, E.RESTARTED): Step(S.FETCHING, (F.FETCH,)),
        (S.DRAINING, E.DRAINED): Step(S.RELEASED, (F.UNLOAD,)),
        (S.DRAINING, E.FAILED): Step(S.RELEASED, (F.UNLOAD,)),
        (S.DRAINING, E.WORKER_LOST): Step(S.RELEASED, (F.UNLOAD,)),
        (S.DRAINING, E.REVOKED): Step(S.DRAINING),
        (S.DRAINING, E.RESTARTED): Step(S.RELEASED),
        (S.FAILED, E.STARTED): Step(S.FETCHING, (F.FETCH,)),
        (S.FAILED, E.REVOKED): Step(S.RELEASED, (F.UNLOAD,)),
        (S.FAILED, E.RESTARTED): Step(S.FAILED),
    }
)


def advance(state: State, event: Event) -> Step:
    """Return the next state and the effects to perform, in order.

    Raises:
        IllegalTransitionError: The table has no such transition: a bug in us.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransitionError(state, event) from None


AT_REST: Final = frozenset({S.SERVING, S.FAILED, S.RELEASED})
"""States that last until something happens."""
