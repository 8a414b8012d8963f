"""One hop's way to its receiver: what stands, what is used, and when it is asked for more.

No I/O, no clock.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Final

from wire import backoff, link_names
from wire.direct.connection import Connection

HOLD_AFTER_SECONDS: Final = 1.0
"""So long a connection that stands waits for a moment when nothing is on its way."""
HOLD_SECONDS: Final = 1.0
"""So long, at most, nothing more is sent then, so that there is one."""
PATIENCE_SECONDS: Final = 5.0
"""So long a receiver that must be reached directly may fail to be, until that is told."""
_PAUSE_SECONDS: Final = 5.0
"""Twice what there is between two tries: who says nothing for so long may be starting."""
_HOLD_AGAIN_SECONDS: Final = 30.0
_SECONDS: Final = (1.0, 60.0)
"""From one try to the next: the first, and the longest. A connection that stood for as long as that
is a good one: after it, waiting begins anew."""
_SECONDS_WITHOUT: Final = (0.2, 2.0)
"""The same where there is no other way, and frames wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """Who we are to those who take our frames, and what we want."""

    sender: str
    """Our id: a device's, or a client's."""
    host: str
    """Our `wire.clock.clock_id`."""
    broker: str = link_names.DEFAULT
    """How we speak to the broker."""
    wanted: str
    """Which direct connections: see `wire.link_names`; of the broker: none."""
    token: str = field(default="", repr=False)
    """What all of them know; empty: each tells it with its offers."""
    own_file: FilePath | None = None
    """Our certificate and key (PEM); None: nothing goes off this host."""

    @property
    def usual(self) -> str:
        """What is used where there is no direct connection."""
        return link_names.NONE if self.wanted == link_names.NEVER_BROKER else self.broker


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Who takes our frames."""

    device: str
    certificate: bytes | None = None
    """What it shows off this host (DER); None: it is reached on this host alone."""


@dataclass(slots=True)
class Path:
    """One hop's. What two threads change is guarded by the owner's lock."""

    peer: Neighbour
    alone: bool = False
    """Whether there is no other way, such as the broker's."""
    ready: Connection | None = None
    """Stands, and is used as soon as nothing is on its way."""
    used: Connection | None = None
    doubt: str = ""
    """Why we ended it ourselves."""
    tells: bool = False
    """Whether the receiver has to be told, on the broker's link, how far we are."""
    trouble: str = ""
    """Why nothing could be reached, until something is used; logged once."""
    _troubled_at: float = 0.0
    """When that began without a pause; monotonic seconds."""
    _failed_at: float = 0.0
    _asking: Iterator[float] = field(init=False)
    """Seconds between two questions."""
    _breaking: Iterator[float] = field(init=False)
    """Seconds from a break to the next question."""
    _ask_at: float = 0.0
    """When to ask for offers; monotonic seconds."""
    _used_since: float = 0.0
    _hold_at: float = 0.0
    """When to send nothing more for a while; monotonic seconds."""
    _holds: bool = False

    def __post_init__(self) -> None:
        self._asking, self._breaking = self._delays(), self._delays()

    def asks(self, now: float) -> bool:
        """Whether to ask for offers now; it is asked again later."""
        asks = self.used is None and self.ready is None and now >= self._ask_at
        if asks:
            self._ask_at = now + next(self._asking)
        return asks

    def stands(self, connection: Connection, now: float) -> None:
        """A connection stands that was not used yet."""
        self.ready = connection
        self._hold_at, self._holds = now + HOLD_AFTER_SECONDS, False

    def switch(self, now: float) -> Connection | None:
        """Use what is ready, and return it; None: it has just ended."""
        if self.ready is None:
            return None
        self.used, self.ready, self._used_since = self.ready, None, now
        self.trouble = ""
        self._asking = self._delays()
        return self.used

    def ended(self, connection: Connection, now: float) -> bool:
        """A connection ended, perhaps one of ours; whether it was used."""
        was_used = self.used is connection
        if was_used:
            if now - self._used_since >= self._seconds[1]:
                self._breaking = self._delays()
            self.used, self.tells = None, True
            self._ask_at = now + next(self._breaking)
        elif self.ready is connection:
            self.ready = None
        return was_used

    def failed(self, trouble: str, began: float, now: float) -> bool:
        """Nothing could be reached of what was tried since ``began``; whether that is news."""
        if not self.trouble or began - self._failed_at > _PAUSE_SECONDS:
            self._troubled_at = now
        self._failed_at = now
        news, self.trouble = trouble != self.trouble, trouble
        return news

    def given_up(self, since: float) -> bool:
        """Whether it was tried for so long, not counting before ``since``, and never reached."""
        fails = self.used is None and self.ready is None and bool(self.trouble)
        return fails and self._failed_at - max(self._troubled_at, since) >= PATIENCE_SECONDS

    def holds(self, now: float) -> bool:
        """Whether to send nothing more, so that what is ready can be used; see `Paths.hold`."""
        if self.ready is None or now < self._hold_at:
            return False
        if not self._holds:
            self._holds = self.tells = True
            self._hold_at = now
        if now < self._hold_at + HOLD_SECONDS:
            return True
        # it does not answer so soon: frames go on, and are held once more later
        self._hold_at, self._holds = now + _HOLD_AGAIN_SECONDS, False
        return False

    @property
    def _seconds(self) -> tuple[float, float]:
        return _SECONDS_WITHOUT if self.alone else _SECONDS

    def _delays(self) -> Iterator[float]:
        return backoff.delays(*self._seconds, random.Random())  # noqa: S311 it spreads retries
