"""Stands in until the hub is there."""

from collections.abc import Callable

from fleet.hub import serve
from fleet.hub.options import HubOptions


def run(options: HubOptions, announce: Callable[[str], None]) -> None:
    """Run a hub until it is interrupted; ``announce`` gets the address of its page."""
    serve.listen(options.listen_host, options.listen_port).close()
    announce(f"http://{options.listen_host}:{options.listen_port}/")
