"""From the session's threads to the event loop: bounded, however fast messages come."""

import asyncio
from collections.abc import Callable
from typing import Final

from agent.refusals import Refusals

MAX_WAITING: Final = 64
"""Messages that wait for the event loop; more are dropped and counted as `control.flooded`."""
AGAIN_SECONDS: Final = 1.0
"""What is done again because somebody asked or forged is done so often at most."""
DROPPED_SECONDS: Final = 5.0
"""So long after messages were dropped, what they may have said is asked for."""


class Intray:
    """What came and waits.

    Args:
        loop: Where it is taken.
        refusals: Counts what is dropped.
        dropped: Called in the loop, a while after something was.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, refusals: Refusals, dropped: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._refusals = refusals
        self._dropped = dropped
        self._handed = self._taken = 0  # one thread writes each
        self._again: dict[str, asyncio.TimerHandle] = {}

    def soon(self, call: Callable[[], None]) -> None:
        """Call in the loop; from any thread."""
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            return  # the loop has ended: the agent is going away

    def hand(self, take: Callable[[], None]) -> None:
        """Have a message taken in the loop, or drop it; from the session's thread."""
        if self._handed - self._taken >= MAX_WAITING:
            self._refusals.count("control.flooded", f"more than {MAX_WAITING} messages wait")
            if self._handed - self._taken == MAX_WAITING:
                self._handed += 1  # the last to be handed tells of those that were not
                self.soon(self._tell)
            return
        self._handed += 1
        self.soon(lambda: self._take(take))

    def again(self, what: str, call: Callable[[], None], seconds: float = AGAIN_SECONDS) -> None:
        """Call after a while, once however often it is asked for until then; in the loop."""
        if what not in self._again:

            def called() -> None:
                del self._again[what]
                call()

            self._again[what] = self._loop.call_later(seconds, called)

    def _take(self, take: Callable[[], None]) -> None:
        self._taken += 1
        take()

    def _tell(self) -> None:
        self._taken += 1
        self.again("dropped", self._dropped, DROPPED_SECONDS)
