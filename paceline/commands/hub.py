"""``paceline hub``."""

import os
import re
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from fleet.control import deployments
from fleet.fleet_file import quantities
from paceline.hub_errors import BadHubOptionError, HubMissingError
from paceline.options import OutputOptions, SiteOptions
from paceline.output import Output
from paceline.settings import Settings
from wire import broker_url, ids
from wire.broker_url import is_loopback

LISTEN: Final = "127.0.0.1:8787"
_LISTEN: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s\[\]:/]+):([0-9]{1,5})", re.ASCII)
SMALLEST_BYTES: Final = 16 << 20


def serve(  # noqa: PLR0913 each is an option of the command
    *,
    listen: str = LISTEN,
    db: Annotated[str | None, Parameter(show_default=False)] = None,
    max_bytes: str = "4GiB",
    token_file: Path | None = None,
    name: str = "hub",
    allow_host: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Hear a whole site, keep it for a while, and show it live on a page.

    Args:
        listen: HOST:PORT of the page; port 0 is a free one. Beyond loopback it asks for a token.
        db: Where it is kept, as SQLAlchemy takes it: sqlite:///FILE or
            postgresql://USER@HOST/NAME; else ~/.local/state/paceline/hub-SITE.db.
        max_bytes: How large that may become, such as 500MiB.
        token_file: A file with the token that callers must know; made where there is none.
        name: The hub's id: two on one site need two.
        allow_host: A name that browsers call the hub by, such as hub.local; may be repeated.
        where: Which site.
        how: How to answer.
    """
    host, port = listen_address(listen)
    _check_database(db)
    size_bytes = size(max_bytes)
    settings = where.load().settings
    try:
        from fleet.hub import server, tokens  # noqa: PLC0415 an extra
        from fleet.hub.options import HubOptions  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise HubMissingError(error.name or str(error)) from error
    token, is_new = None, False
    if token_file is not None:
        token = tokens.load_or_make(token_file)
    elif not is_loopback(host):
        token, is_new = tokens.made(), True
    options = HubOptions(
        service=ids.checked(name, "hub"),
        topics=settings.topics,
        broker=broker_url.parse(settings.broker.url),
        access=settings.access,
        listen_host=host,
        listen_port=port,
        allowed_hosts=allow_host,
        token=token,
        database=db or _default_database(settings),
        max_bytes=size_bytes,
    )
    server.run(options, lambda url: _announce(how.output, url, token if is_new else None))
    return 0


def listen_address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``.

    Raises:
        BadHubOptionError: It is no such text.
    """
    match = _LISTEN.fullmatch(text)
    if match is None or int(match[2]) > 0xFFFF:
        raise BadHubOptionError("--listen", text, "HOST:PORT, such as 0.0.0.0:8787 or [::1]:8787")
    return match[1].strip("[]"), int(match[2])


def size(text: str) -> int:
    """Return the bytes of a size such as ``4GiB``.

    Raises:
        BadHubOptionError: It is no such text, or too small for a database.
    """
    size_bytes = quantities.quantity("bytes", text) or 0
    if size_bytes < SMALLEST_BYTES:
        raise BadHubOptionError("--max-bytes", text, "a size from 16MiB, such as 500MiB or 4GB")
    return int(size_bytes)


def _check_database(db: str | None) -> None:
    """Refuse a password in the command line: every user of this machine can read that."""
    user = db.partition("://")[2].rpartition("@")[0] if db is not None else ""
    if db is not None and (":" in user or "password=" in db):
        shown, expected = db.partition("://")[0] + "://...", "no password: libpq reads ~/.pgpass"
        raise BadHubOptionError("--db", shown, f"{expected} and the environment's PGPASSWORD")


def _default_database(settings: Settings) -> str:
    folder = deployments.default_folder(os.environ)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return f"sqlite:///{folder / f'hub-{settings.site}.db'}"


def _announce(output: Output, url: str, new_token: str | None) -> None:
    """Print where the page is, and once the token that nobody knows yet."""
    answer = {"url": url} if new_token is None else {"url": url, "token": new_token}
    text = f"The hub's page: {url}"
    if new_token is not None:
        text += (
            f"\nIts token: {new_token}\n(of this run; --token-file FILE keeps one and"
            " does not print it)"
        )
    output.result(answer, lambda console: console.print(text, soft_wrap=True))
