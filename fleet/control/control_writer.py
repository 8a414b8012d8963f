"""Writes retained control messages, each confirmed by the broker."""

import time
from typing import Final

from wire.errors import BrokerUnreachableError, LinkDownError
from wire.session import Session

CONFIRM_SECONDS: Final = 5.0
RECONNECT_SECONDS: Final = 15.0
"""How long the broker may be away in the middle of a deploy."""
PAUSE_SECONDS: Final = 0.05


def write_retained(session: Session, topic: str, payload: bytes) -> None:
    """Publish a retained message and wait until the broker has it; an empty one clears the topic.

    A connection that breaks meanwhile is waited for: writing the same state twice is harmless.

    Raises:
        BrokerUnreachableError: The broker did not come back in time.
        BrokerRefusedError: It came back and will not have us.
    """
    ends = time.monotonic() + RECONNECT_SECONDS
    while True:
        session.wait_up(max(0.0, ends - time.monotonic()))
        try:
            session.publish(topic, payload, 1, retain=True, confirm_seconds=CONFIRM_SECONDS)
        except LinkDownError as error:
            if time.monotonic() >= ends:
                reason = "the connection broke while writing"
                raise BrokerUnreachableError(str(session.url), reason) from error
            time.sleep(PAUSE_SECONDS)  # the session has not noticed yet
        else:
            return
