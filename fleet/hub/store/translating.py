"""What a database's errors mean to us."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from sqlalchemy.exc import DBAPIError

from fleet.hub.store.errors import (
    StoreDamagedError,
    StoreError,
    StoreForeignError,
    StoreRefusedError,
    StoreUnavailableError,
    StoreUnusableError,
)

_Kinds: TypeAlias = tuple[tuple[str, type[StoreError]], ...]
_SQLITE: Final[_Kinds] = (
    ("NOTADB", StoreForeignError),
    ("CORRUPT.*", StoreDamagedError),
    ("(FULL|IOERR|BUSY|LOCKED|CANTOPEN|READONLY|PERM|PROTOCOL).*", StoreUnavailableError),
)
"""By the name of the result code."""
_NO_PLACE: Final[_Kinds] = (("(CANTOPEN|READONLY|PERM).*", StoreUnusableError),)
"""While opening, nothing mends these by itself."""
_POSTGRESQL: Final[_Kinds] = (
    ("28...|42501|3F000", StoreRefusedError),
    ("3D000", StoreUnusableError),
    ("XX00[12]", StoreDamagedError),
    ("(08|40|53|55|57|58).*|25006", StoreUnavailableError),
)
"""By SQLSTATE."""
_NOT_CONNECTED: Final[_Kinds] = (
    (".*(password|pg_hba.conf|role .* does not exist|permission denied for).*", StoreRefusedError),
    (".*database .* does not exist.*", StoreUnusableError),
    (".*", StoreUnavailableError),
)
"""By the server's words: of a connection that was not made there is nothing else."""


@contextmanager
def translated(name: str, *, opening: bool = False) -> Iterator[None]:
    """Raise the errors of SQLAlchemy and its drivers as ours.

    Raises:
        StoreError: One of its kinds; itself where nobody could expect it.
    """
    try:
        yield
    except DBAPIError as error:
        cause = error.orig or error
        raise meaning(cause, opening=opening)(name, _reason(cause)) from error
    except sqlite3.Error as error:
        raise meaning(error, opening=opening)(name, _reason(error)) from error


def meaning(cause: BaseException, *, opening: bool) -> type[StoreError]:
    """Return the kind of error that a driver's error is."""
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorname", "").removeprefix("SQLITE_")
        return _first((*_NO_PLACE, *_SQLITE) if opening else _SQLITE, code)
    state = getattr(cause, "sqlstate", None)
    if state:
        return _first(_POSTGRESQL, state)
    if type(cause).__name__ in {"OperationalError", "ConnectionTimeout"}:
        return _first(_NOT_CONNECTED, " ".join(str(cause).split()))
    return StoreError


def _first(kinds: _Kinds, told: str) -> type[StoreError]:
    return next((kind for pattern, kind in kinds if re.fullmatch(pattern, told)), StoreError)


def _reason(cause: BaseException) -> str:
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    return lines[0].removeprefix("connection failed: ").replace("FATAL:  ", "")[:300]
