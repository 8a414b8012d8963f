"""One control session for one command."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from paceline.settings import Settings
from paceline.settings_errors import SettingsUnreadableError
from wire import broker_url
from wire.session import Session

CONNECT_SECONDS: Final = 10.0


def unreadable_files(settings: Settings) -> list[Path]:
    """Return the files that the settings name and this user cannot read."""
    broker = settings.broker
    named = (
        broker.password_file,
        broker.ca_file,
        broker.client_cert_file,
        broker.client_key_file,
    )
    return [path for path in named if path is not None and not os.access(path, os.R_OK)]


@contextmanager
def connected(settings: Settings) -> Iterator[Session]:
    """Give a session that is up, and end it.

    Raises:
        SettingsUnreadableError: A file of a password, certificate or key cannot be read.
        BrokerUnreachableError: No broker answered.
        BrokerRefusedError: It will not have us.
    """
    for path in unreadable_files(settings):
        raise SettingsUnreadableError(str(path), "cannot be read")
    url = broker_url.parse(settings.broker.url)
    session = Session(url, f"c:u{os.urandom(5).hex()}", access=settings.access)
    session.start()
    try:
        session.wait_up(CONNECT_SECONDS)
        yield session
    finally:
        session.stop()
