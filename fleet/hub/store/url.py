"""Which database a URL names."""

from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from fleet.hub.store.errors import StoreUrlError

_DRIVERS: Final = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


def parsed(text: str) -> URL:
    """Return a URL with our driver; of SQLite with the whole path.

    Raises:
        StoreUrlError: It names no database that we know.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # not its text: there may be a password in it
        raise StoreUrlError("URL", "it cannot be understood") from None
    if url.drivername not in _DRIVERS:
        raise StoreUrlError(name_of(url), f"{url.drivername!r:.40} is none of ours")
    url = url.set(drivername=_DRIVERS[url.drivername])
    if url.drivername != "sqlite":
        return url
    if url.host or url.query or url.database in {None, "", ":memory:"}:
        problem = "a path is needed, after three slashes and with nothing behind it"
        raise StoreUrlError(name_of(url), problem)
    return url.set(database=str(Path(str(url.database)).expanduser().absolute()))


def name_of(url: URL) -> str:
    """Return the URL as people see it: without user, password and options."""
    kind = url.drivername.partition("+")[0]
    port = f":{url.port}" if url.port else ""
    return f"{kind}://{url.host or url.query.get('host', '')}{port}/{url.database or ''}"
