"""When to ping a broker, and when to give it up. Pure: the caller brings the time."""

from enum import Enum
from typing import Final

LOOK_RATIO: Final = 0.1
"""Look so often, in keep-alives; with the two below, silence is noticed within one and a half."""
_PING_RATIO: Final = 0.4
_GONE_RATIO: Final = 0.8


class Due(Enum):
    """What is to be done now."""

    NOTHING = 0
    PING = 1
    GIVE_UP = 2


class KeepAlive:
    """One connection's keep-alive.

    It pings at its own pace, whatever else is sent: so a broker that still takes what is sent, but
    no longer answers, is noticed too.

    Args:
        seconds: MQTT's keep-alive.
        now: The connection begins; by the same clock as every later ``now``.
    """

    def __init__(self, seconds: float, now: float) -> None:
        self.seconds = seconds
        self._pinged = now
        self._unanswered: float | None = None
        """When the first ping was sent since something was heard."""

    def due(self, now: float, *, heard: bool) -> Due:
        """Return what is to be done; a ping counts as sent.

        ``heard``: Whether bytes came since it was asked last.
        """
        if heard:
            self._unanswered = None
        if self._unanswered is not None and now - self._unanswered >= _GONE_RATIO * self.seconds:
            return Due.GIVE_UP
        if now - self._pinged < _PING_RATIO * self.seconds:
            return Due.NOTHING
        self._pinged = now
        if self._unanswered is None:
            self._unanswered = now
        return Due.PING
