"""What the service manager is told: ready, alive, stopping, and how it goes in one line.

systemd's protocol: datagrams of ``KEY=value`` lines to the socket that ``$NOTIFY_SOCKET`` names.
Without that variable nothing is said. Source: sd_notify(3), sd_watchdog_enabled(3).
"""

import os
import socket
from collections.abc import MutableMapping
from typing import Final

import structlog

log = structlog.get_logger()

_MOST_DIGITS: Final = 18
"""Of microseconds: more is longer than any machine runs."""
_VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class ServiceManager:
    """The manager that started this process.

    Args:
        address: The socket's address; one that begins with ``@`` is abstract. None: no manager.
        watchdog_seconds: How long it waits for a sign of life; None: it does not watch.
    """

    def __init__(self, address: str | None = None, watchdog_seconds: float | None = None) -> None:
        self.watchdog_seconds = watchdog_seconds
        self._address = address
        self._failed = False

    @property
    def feed_seconds(self) -> float | None:
        """How often to say that we live: twice in the time that it waits."""
        return None if self.watchdog_seconds is None else self.watchdog_seconds / 2

    def ready(self, status: str) -> None:
        """Say that the start is over."""
        self._say("READY=1", _status(status))

    def alive(self, status: str) -> None:
        """Feed the watchdog."""
        self._say("WATCHDOG=1", _status(status))

    def status(self, status: str) -> None:
        """Say how it goes: one line for people."""
        self._say(_status(status))

    def stopping(self, status: str) -> None:
        """Say that the end has begun."""
        self._say("STOPPING=1", _status(status))

    def _say(self, *lines: str) -> None:
        if self._address is None:
            return
        address = self._address
        if address.startswith("@"):
            address = "\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as to:
                to.sendto("\n".join(lines).encode(), address)
        except OSError as error:  # what runs goes on; a manager that waits will end us
            if not self._failed:
                log.warning("manager.not_told", error=str(error))
            self._failed = True
        else:
            self._failed = False


def from_environment(environ: MutableMapping[str, str]) -> ServiceManager:
    """Return the manager that ``environ`` names, and take it out: no child may speak for us."""
    address, usec, pid = (environ.pop(name, "") for name in _VARIABLES)
    is_time = usec.isdecimal() and len(usec) <= _MOST_DIGITS and int(usec) > 0
    watched = is_time and pid in {"", str(os.getpid())}
    if not address.startswith(("/", "@")):
        return ServiceManager()
    return ServiceManager(address, int(usec) / 1e6 if watched else None)


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())}"
