"""What the session's thread hands to the event loop is bounded."""

import asyncio

from agent.refusals import Refusals
from agent.supervisor import intray as rules
from agent.supervisor.intray import MAX_WAITING, Intray


def test_a_flood_is_dropped_and_asked_about_once(monkeypatch):
    """So many wait, the others are counted; when they are taken, there is room again."""
    monkeypatch.setattr(rules, "DROPPED_SECONDS", 0.05)
    refusals, taken, asked = Refusals(), [], []

    async def flooded():
        intray = Intray(asyncio.get_running_loop(), refusals, lambda: asked.append(1))
        for number in range(1000):
            intray.hand(lambda number=number: taken.append(number))
        await asyncio.sleep(0.2)
        intray.hand(lambda: taken.append("later"))
        await asyncio.sleep(0.2)

    asyncio.run(flooded())

    assert taken == [*range(MAX_WAITING), "later"]
    assert refusals.totals() == {"control.flooded": 1000 - MAX_WAITING}
    assert asked == [1]


def test_what_is_asked_for_often_is_done_once():
    """Each thing by itself, and again when it is asked for later."""
    done = []

    async def often():
        intray = Intray(asyncio.get_running_loop(), Refusals(), lambda: None)
        for _ in range(2):
            for what in ("a", "b", "a"):
                intray.again(what, lambda what=what: done.append(what), 0.01)
            await asyncio.sleep(0.1)

    asyncio.run(often())

    assert done == ["a", "b", "a", "b"]
