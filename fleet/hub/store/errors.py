"""Why the database cannot be used, and what to do."""

from typing import ClassVar

from wire.errors import CodedError

INVALID, UNREACHABLE, REFUSED = 3, 6, 8


class StoreError(CodedError):
    """The database cannot be used."""

    code = "hub.database_failed"
    exit_code = INVALID
    advice: ClassVar[str] = "name another database with --db"

    def __init__(self, database: str, problem: str) -> None:
        super().__init__(database, problem)
        self.database = database
        """Its URL without credentials."""
        self.problem = problem

    def __str__(self) -> str:
        return f"database {self.database}: {self.problem}; {self.advice}"


class StoreUrlError(StoreError):
    """The URL names no database that we know."""

    code = "hub.database_url"
    advice = "write it like sqlite:///path/to/hub.db or postgresql://user@host/database"


class StoreDriverError(StoreError):
    """The library that talks to this database is not installed."""

    code = "hub.database_driver"
    advice = "pip install 'paceline[postgres]'"


class StoreUnusableError(StoreError):
    """There is no place for a database, or no right to write there."""

    code = "hub.database_unusable"
    advice = "repair that, or name another database with --db"


class StoreForeignError(StoreError):
    """What is there is no database of a hub."""

    code = "hub.database_foreign"
    advice = "nothing was changed; name another file or database with --db"


class StoreDamagedError(StoreError):
    """The database's content is broken."""

    code = "hub.database_damaged"
    advice = "move it away and start again: the hub learns its devices anew"


class StoreNewerError(StoreError):
    """A newer hub has written this database."""

    code = "hub.database_newer"
    advice = "nothing was changed; install the newer paceline, or name another database with --db"


class StoreRefusedError(StoreError):
    """The database will not let us in, or not let us do our work."""

    code = "hub.database_refused"
    exit_code = REFUSED
    advice = (
        "check user and password (in ~/.pgpass, or the file that PGPASSFILE names), and that the"
        " user may create tables there"
    )


class StoreUnavailableError(StoreError):
    """The database does not answer now, or has no room; nothing of the last batch was kept."""

    code = "hub.database_unavailable"
    retryable = True
    exit_code = UNREACHABLE
    advice = "see that it runs and has room: then it is used again by itself"
