"""Whether somebody else uses this agent's id, and which session numbers outdo both. Pure.

Two agents with one id throw each other off the broker. Some brokers say so in MQTT 5; of the others
it is seen that connections end again and again, or that the status topic holds another's words.
An earlier process of this device is no namesake: its will may come late, but not after our first
connection.
"""

from typing import Final

from wire.messages import Reason, Status

CONNECTIONS: Final = 1 << 32
MAX_STARTS: Final = 1 << 20
"""A start counter above it is a forgery and is not followed."""
SETTLE_SECONDS: Final = 5.0
"""So long after our first birth, what an earlier process of this device said may still come."""
ALARM_SECONDS: Final = 900.0
"""So long after its last sign a namesake is a problem of this device's health."""


class Namesake:
    """What one process of an agent knows of others under its id."""

    def __init__(self, start_counter: int, instance: str) -> None:
        self.session = start_counter * CONNECTIONS
        """The number of our session."""
        self.instance = instance
        self._start_counter = start_counter
        self._births = 0
        self._born_at = 0.0
        self._seen_at: float | None = None
        self._outdone = False

    def connecting(self, connection: int) -> None:
        """Take the number of the next connection."""
        self.session = self._start_counter * CONNECTIONS + connection

    def born(self, now: float) -> None:
        """Note that our birth was said."""
        self._births += 1
        if self._births == 1:
            self._born_at = now

    def taken_over(self, now: float) -> None:
        """Note that the session was told or saw so."""
        self._seen_at = now

    def is_another(self, status: Status, now: float) -> bool:
        """Whether ``status``, on our topic, is of another agent that is there now."""
        is_ours = status.instance == self.instance
        settled = status.state == "online" and now - self._born_at > SETTLE_SECONDS
        if is_ours or self._births == 0 or (self._births == 1 and not settled):
            return False
        self._seen_at = now
        return True

    def outdoes(self, status: Status) -> bool:
        """Whether its session would win over ours: then our next one is numbered above it.

        That is so where a journal was lost or could not be written. Once in a process: whoever
        forges status messages shall not have us connect again and again.
        """
        start = status.session // CONNECTIONS
        if self._outdone or status.session < self.session or start > MAX_STARTS:
            return False
        self._outdone = True
        self._start_counter = start + 1
        return True

    def problem(self, now: float) -> Reason | None:
        """Return the alarm while its last sign is not long ago."""
        if self._seen_at is None or now - self._seen_at > ALARM_SECONDS:
            return None
        text = "another client or agent uses this device's id; give one of them another id"
        return Reason(code="control.taken_over", message=text)
