"""A SQLite file: how it is opened, how large it is, and giving back what it no longer needs."""

import os
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event

from fleet.hub.store.errors import StoreUnavailableError, StoreUnusableError

_PATIENCE_SECONDS: Final = 10.0
"""For a lock that somebody else holds."""
_PRAGMAS: Final = (
    "auto_vacuum = INCREMENTAL",  # only where the file is new
    "synchronous = NORMAL",  # with a write-ahead log: kill -9 loses nothing, a power cut the newest
    "journal_size_limit = 16777216",
    "secure_delete = OFF",
)
_RESERVE_BYTES: Final = (32 << 20, 1 << 30)
"""What is left free of the disk: a twentieth of it, but at least and at most so much."""
_FLOOR_BYTES: Final = 32 << 20
"""So much is not given up because others have filled the disk."""
_PAGES_AT_ONCE: Final = 256
_SPARE_RATIO: Final = 0.25
"""Free pages are left for what comes next: moving others into them is work."""
_SPARE_BYTES: Final = 16 << 20


def engine(url: URL, name: str) -> Engine:
    """Return an engine of one connection; file and folder are made, readable by this user alone.

    Raises:
        StoreUnusableError: The file cannot be made.
    """
    path = Path(str(url.database))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        problem = f"it cannot be made ({error.strerror}: {error.filename})"
        raise StoreUnusableError(name, problem) from error
    if not path.is_file():
        raise StoreUnusableError(name, "that is no file")
    # a transaction begins where we say so, not where this driver thinks that it should
    arguments = {"isolation_level": None, "timeout": _PATIENCE_SECONDS}
    made = create_engine(
        url, connect_args=arguments, pool_size=1, max_overflow=0, hide_parameters=True
    )
    event.listen(made, "connect", _connected)
    event.listen(made, "begin", _begun)
    return made


def _connected(connection: sqlite3.Connection, _record: Any) -> None:
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begun(connection: Connection) -> None:
    # with the lock for writing at once: one that is asked for later is refused, not waited for
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def write_ahead(engine: Engine, name: str) -> None:
    """Let the file have a write-ahead log, for good.

    Raises:
        StoreUnavailableError: Others have it in use for too long.
    """
    ends = time.monotonic() + _PATIENCE_SECONDS
    with closing(engine.raw_connection()) as connection:
        while True:
            try:
                connection.cursor().execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                # switching does not wait for a lock as everything else does
                if error.sqlite_errorname != "SQLITE_BUSY":
                    raise
                if time.monotonic() > ends:
                    raise StoreUnavailableError(name, str(error)) from error
                time.sleep(0.02)
            else:
                return


def limit_bytes(connection: Connection, max_bytes: int) -> int:
    """Return how large the data may be: less than ``max_bytes`` where the disk has no room."""
    try:
        disk = shutil.disk_usage(Path(str(connection.engine.url.database)).parent)
    except OSError:
        return max_bytes  # somebody removed the folder: what is open stays usable
    reserve = min(max(disk.total // 20, _RESERVE_BYTES[0]), _RESERVE_BYTES[1])
    return min(max_bytes, max(used_bytes(connection) + disk.free - reserve, _FLOOR_BYTES))


def used_bytes(connection: Connection) -> int:
    """Return the size of the pages in use."""
    pages, free, page_bytes = _pages(connection)
    return (pages - free) * page_bytes


def shrink(connection: Connection, max_bytes: int, ends_seconds: float) -> bool:
    """Give free pages back while the file is too large or mostly free; return whether it is well.

    Args:
        connection: In a transaction.
        max_bytes: What the file may take.
        ends_seconds: By the monotonic clock: when to stop.
    """
    while True:
        pages, free, page_bytes = _pages(connection)
        spare = max(_SPARE_BYTES, int(pages * page_bytes * _SPARE_RATIO))
        if not free or (pages * page_bytes <= max_bytes and free * page_bytes <= spare):
            return True
        if time.monotonic() > ends_seconds:
            return False
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")
            cursor.fetchall()  # a step a page, though no row comes of it


def _pages(connection: Connection) -> tuple[int, int, int]:
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return pages, free, size
