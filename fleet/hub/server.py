"""Runs a hub with its pages until it is told to stop."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from fleet.hub.hub import Hub
from fleet.hub.options import HubOptions
from fleet.hub.serve import address_url, listen, serve_http
from fleet.hub.store.store import Store
from fleet.hub.web.app import make_app
from fleet.hub.web.extension import Extension


def run(options: HubOptions, ready: Callable[[str], Any]) -> None:
    """Run a hub until SIGINT or SIGTERM; then everything is kept, and it returns.

    Args:
        options: What it hears, where it keeps it, where it answers.
        ready: Called once with the address of its page.

    Raises:
        StoreError: The database cannot be used.
        AddressError: The address cannot be had.
    """
    asyncio.run(_run(options, ready))


async def serve(
    options: HubOptions,
    stopping: asyncio.Event,
    *,
    ready: Callable[[str], Any],
    extension: Extension | None = None,
) -> None:
    """Run a hub in this event loop until ``stopping`` is set; see `run`.

    Args:
        options: What it hears, where it keeps it, where it answers.
        stopping: Ends it.
        ready: Called once with the address of its page.
        extension: What the page shows more.
    """
    with listen(options.listen_host, options.listen_port) as sock:
        store = await asyncio.to_thread(Store.open, options.database, max_bytes=options.max_bytes)
        hub = Hub(options, store)
        app = make_app(
            hub,
            site=options.topics.site,
            token=options.token,
            extension=extension,
            listen_host=options.listen_host,
            allowed_hosts=options.allowed_hosts,
        )
        async with hub.running():
            ready(address_url(sock))
            await serve_http(app, sock, stopping)


async def _run(options: HubOptions, ready: Callable[[str], Any]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    await serve(options, stopping, ready=ready)
