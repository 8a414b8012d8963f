"""Which telemetry of a device is news: late and repeated messages change nothing. Pure."""

from dataclasses import dataclass
from typing import Final

CLOCK_WAS_SET_NS: Final = 60 * 1_000_000_000
"""Older than the newest by more, a message is not late: the device's clock was set back."""


@dataclass(slots=True)
class Arrivals:
    """The newest message of one kind of one device."""

    session: int = -1
    sent_unix_ns: int = -1

    def is_news(self, session: int, sent_unix_ns: int) -> bool:
        """Whether a message is newer than all before; then it is the newest."""
        older_by = self.sent_unix_ns - sent_unix_ns
        late = session == self.session and 0 <= older_by < CLOCK_WAS_SET_NS
        if session < self.session or late:
            return False
        self.session, self.sent_unix_ns = session, sent_unix_ns
        return True
