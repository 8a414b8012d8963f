"""Where a deploy serves the segments from, when nobody says it."""

from typing import Final

from wire import broker_url

PORT: Final = 8788


def listen_address(broker: str) -> str:
    """Return ``HOST:PORT``: loopback for a broker on this machine, else every interface.

    Segments are served by their SHA-256 alone: who does not know it gets nothing.

    Raises:
        BadUrlError: ``broker`` is no broker's address.
    """
    return f"127.0.0.1:{PORT}" if broker_url.parse(broker).loopback else f"0.0.0.0:{PORT}"
