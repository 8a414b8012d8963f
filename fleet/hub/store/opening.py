"""From a URL to a database with our tables: made, or brought up to what this code knows."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, inspect

from fleet.hub.store import postgresql, sqlite_file
from fleet.hub.store.errors import StoreForeignError, StoreNewerError
from fleet.hub.store.schema import VERSION_TABLE
from fleet.hub.store.url import name_of

MIGRATIONS: Final = Path(__file__).parent / "migrations"


def open_engine(url: URL) -> Engine:
    """Return an engine of one connection, of a database that has our tables.

    Several processes may do so at once: one migrates, the others wait for it.

    Raises:
        StoreError: As its kinds say.
    """
    name = name_of(url)
    is_file = url.drivername == "sqlite"
    engine = sqlite_file.engine(url, name) if is_file else postgresql.engine(url, name)
    try:
        with engine.begin() as connection:
            if not is_file:
                postgresql.lock(connection)
            _migrate(connection, name)
        if is_file:
            sqlite_file.write_ahead(engine, name)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _migrate(connection: Connection, name: str) -> None:
    """Make or change the tables, in the caller's transaction."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    version = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    present, newest = version.get_current_revision(), script.get_current_head()
    if present == newest:
        return
    if present is None:
        if connection.dialect.name == "sqlite" and inspect(connection).get_table_names():
            raise StoreForeignError(name, "it holds tables of something else")
    else:
        try:
            script.get_revision(present)
        except CommandError:
            problem = f"its version is {present!r:.40}, the newest known here is {newest}"
            raise StoreNewerError(name, problem) from None
    command.upgrade(config, "head")
