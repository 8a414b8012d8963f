"""A PostgreSQL server, by psycopg."""

from typing import Final

from sqlalchemy import URL, Connection, Engine, create_engine, text

from fleet.hub.store.errors import StoreDriverError

_ARGUMENTS: Final = {
    "connect_timeout": 5,
    # a server that vanished without a word is noticed, not waited for
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "fallback_application_name": "paceline-hub",
}
_LOCK: Final = 0x7061_6365_6C69_6E65
"""Of the advisory locks: "paceline"."""


def engine(url: URL, name: str) -> Engine:
    """Return an engine of one connection, which is looked at before each use.

    Raises:
        StoreDriverError: psycopg is not installed.
    """
    arguments = {key: value for key, value in _ARGUMENTS.items() if key not in url.query}
    try:
        return create_engine(
            url,
            connect_args=arguments,
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,
        )
    except ImportError as error:
        raise StoreDriverError(name, f"psycopg cannot be imported ({error})") from error


def lock(connection: Connection) -> None:
    """Wait until no other hub migrates; held until the transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
