"""One control session for one command."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from paceline.settings import Settings
from paceline.settings_errors import SettingsUnreadableError
from wire import broker_url
from wire.session import Session

CONNECT_SECONDS: Final = 10.0


@contextmanager
def connected(settings: Settings) -> Iterator[Session]:
    """Give a session that is up, and end it.

    Raises:
        SettingsUnreadableError: The password's or the certificates' file cannot be read.
        BrokerUnreachableError: No broker answered.
        BrokerRefusedError: It will not have us.
    """
    for path in (settings.broker.password_file, settings.broker.ca_file):
        if path is not None and not os.access(path, os.R_OK):
            raise SettingsUnreadableError(str(path), "cannot be read")
    url = broker_url.parse(settings.broker.url)
    session = Session(url, f"c.u{os.urandom(5).hex()}", access=settings.access)
    session.start()
    try:
        session.wait_up(CONNECT_SECONDS)
        yield session
    finally:
        session.stop()
