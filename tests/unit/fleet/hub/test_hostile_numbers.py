"""Numbers that nobody means: they end no hub, and break nothing that is shown or kept."""

import copy
import json

import msgspec
import pytest

from fleet.hub.site_state import SiteState
from tests.unit.fleet.hub import telling
from tests.unit.fleet.hub.telling import take
from wire import messages

T0 = 10**18
TOLD = {
    "reported": telling.reported("d1", 0),
    "health": telling.health("d1", 9, readings=[("cpu_busy_ratio", 0.5)], problems=["x"]),
    "latency": telling.latency("d1", telling.stage_latency(0, 90), sent=9),
    "route": telling.route("d1"),
    "account": telling.account(90),
}
HOSTILE = [10**400, 1 << 64, 1 << 63, -(1 << 63) - 1, (1 << 63) - 1, -1, 1e308]


@pytest.mark.parametrize("kind", TOLD)
@pytest.mark.parametrize("number", HOSTILE, ids=lambda n: f"{n:.0e}" if n < 1e300 else "huge")
def test_no_number_of_a_message_breaks_the_hub(kind, number):
    """Wherever it stands, all can be shown as JSON and be kept afterwards."""
    topic, told = TOLD[kind]
    plain = json.loads(msgspec.json.encode(told))
    for place in _numbers(plain):
        state = _served()
        state.take(topic, json.dumps(_with(plain, place, number)).encode(), 9.0, 9 * 10**9)

        shown = state.device_views(10.0, T0), state.pipeline_views(10.0, T0)
        msgspec.json.encode(shown)
        state.batch(T0)
        take(state, telling.latency("d1", telling.stage_latency(0, 99), sent=99), 11.0)
        msgspec.json.encode(state.pipeline_views(11.0, T0))
        state.batch(T0)


def test_many_large_accounts_stay_within_what_can_be_kept():
    """However many clients say the most that one may say."""
    state = _served()
    most = (1 << 48) - 1
    for stream in range(300):
        topic, told = telling.account(1)
        latency = {"sum_ns": (1 << 62) - 1, "counts": {"5": (1 << 62) - 1}}
        told = msgspec.structs.replace(
            told, stream=stream, submitted=most, results=most, in_flight=0, latency=latency
        )
        take(state, (topic, told), 9.0)

    (view,) = state.pipeline_views(10.0, T0)
    assert view.account.results > 200 * most
    msgspec.json.encode(view)
    state.batch(T0)


def _served():
    state = SiteState(telling.TOPICS)
    state.connected(0.0)
    for told in (
        telling.status("d1"),
        telling.reported("d1", 0),
        telling.health("d1", 5),
        telling.route("d1"),
        telling.latency("d1", telling.stage_latency(0, 5), sent=5),
        telling.account(5),
    ):
        take(state, told, 5.0)
    return state


def _numbers(plain, place=()):
    """Yield where numbers stand."""
    inner = plain.items() if isinstance(plain, dict) else enumerate(plain)
    for key, value in inner:
        if isinstance(value, dict | list):
            yield from _numbers(value, (*place, key))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield *place, key


def _with(plain, place, number):
    made = copy.deepcopy(plain)
    within = made
    for key in place[:-1]:
        within = within[key]
    within[place[-1]] = number
    return made


def test_every_message_is_still_what_it_was():
    """What is told here is understood, so the numbers above are what breaks or does not."""
    state = _served()
    for topic, told in TOLD.values():
        kind = state.topics.parse(topic).kind
        state.take(topic, messages.encode(kind, told), 9.0, 9 * 10**9)
    assert not state.refused
