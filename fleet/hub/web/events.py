"""Streams of server-sent events: the newest state, at most four times a second.

A stream asks for the state when it may send again, so a slow reader gets fewer events and never
older ones: nothing is queued. Every second something is sent, for ages move and lines must show
that they are alive.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from fleet.hub.monitor import Monitor
from fleet.hub.views import SiteView

MAX_STREAMS: Final = 64
RETRY_SECONDS: Final = 5
"""When one that was too many comes again."""
INTERVAL_SECONDS: Final = 0.25
LONGEST_SECONDS: Final = 1.0
WATCH_SECONDS: Final = 5.0
"""How often a stream says which devices are looked at."""


def event(name: str | None, data: str) -> bytes:
    """Return one event as it stands on the line."""
    head = f"event: {name}\n" if name else ""
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return f"{head}{lines}\n".encode()


class Streams:
    """All streams of one hub."""

    def __init__(self, monitor: Monitor, limit: int = MAX_STREAMS) -> None:
        self._monitor = monitor
        self._limit = limit
        self._stopped: asyncio.Future[None] | None = None
        self._over = False
        self.open = 0
        """How many there are now."""

    @property
    def full(self) -> bool:
        """Whether one more is too many."""
        return self._over or self.open >= self._limit

    def stop(self) -> None:
        """End every stream now."""
        self._over = True
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(None)

    async def follow(
        self, told: Callable[[SiteView], bytes], seen: Callable[[SiteView], list[str]]
    ) -> AsyncIterator[bytes]:
        """Yield events until the reader goes or the hub stops.

        Args:
            told: Makes an event of the state.
            seen: Which devices the reader looks at.
        """
        loop = asyncio.get_running_loop()
        if self.full:  # many may have been told at once that there was room
            yield f"retry: {RETRY_SECONDS}000\n\n".encode()
            return
        watched = -WATCH_SECONDS
        self.open += 1
        try:
            yield b": paceline\n\n"
            while not self._over:
                began, view = loop.time(), self._monitor.site()
                if began - watched >= WATCH_SECONDS:
                    self._monitor.watching(seen(view))
                    watched = began
                yield told(view)
                await self._change(view.number)
                await self._pause(began + INTERVAL_SECONDS - loop.time())
        finally:
            self.open -= 1

    async def _change(self, number: int) -> None:
        changed = asyncio.ensure_future(self._monitor.changed(number, LONGEST_SECONDS))
        try:
            either: set[asyncio.Future[Any]] = {changed, *self._ending()}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.wait(self._ending(), timeout=seconds)

    def _ending(self) -> set[asyncio.Future[None]]:
        """Return what is done when the hub stops; it belongs to the loop that streams run in."""
        if self._stopped is None:
            self._stopped = asyncio.get_running_loop().create_future()
        return {self._stopped}
