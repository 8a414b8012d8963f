"""``paceline top``."""

import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from rich.console import Console
from rich.live import Live
from rich.text import Text

from fleet.hub.views import SiteView
from paceline.hub_client import DEFAULT_HUB, HubClient
from paceline.hub_errors import HubSilentError
from paceline.options import OutputOptions
from paceline.top_view import drawn

AGAIN_SECONDS: Final = 1.0


def top(
    pipeline: str | None = None,
    /,
    *,
    hub: str = DEFAULT_HUB,
    token_file: Path | None = None,
    once: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Watch a hub's site in the terminal, until Ctrl-C.

    Args:
        pipeline: Only this one, and its devices; else all of the site.
        hub: The hub's address.
        token_file: A file with the hub's token, where it asks for one.
        once: Print it once and end; so does --json, and where there is no terminal.
        how: How to answer.
    """
    with closing(HubClient(hub, token_file)) as client:
        if once or how.json or not how.output.people.is_terminal:
            with closing(client.follow(pipeline)) as views:
                view = next(views)
            how.output.result(view, lambda console: show(console, view))
        else:
            _watch(client, pipeline, how.output.people)
    return 0


def show(console: Console, view: SiteView) -> None:
    """Print the site once."""
    console.print(drawn(view, view.at_unix_ns, console.width))


def _watch(client: HubClient, pipeline: str | None, console: Console) -> None:
    """Show the site until Ctrl-C, which is how this ends; a hub that goes may come back."""
    last: SiteView | None = None
    heard = 0
    with Live(console=console, screen=True, auto_refresh=False) as live:
        try:
            while True:
                try:
                    for view in client.follow(pipeline):
                        if last is None or view.at_unix_ns != last.at_unix_ns:
                            heard = time.monotonic_ns()
                        last = view
                        now = view.at_unix_ns + time.monotonic_ns() - heard
                        live.update(drawn(view, now, console.width, console.height), refresh=True)
                except HubSilentError as error:
                    if last is None:
                        raise
                    live.update(Text(f"{error}\ntrying again; Ctrl-C ends", "red"), refresh=True)
                time.sleep(AGAIN_SECONDS)
        except KeyboardInterrupt:
            return
