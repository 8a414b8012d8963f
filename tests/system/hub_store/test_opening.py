"""A database is made, brought up to date, or refused with what to do; on both databases."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from fleet.hub.store import schema
from fleet.hub.store.errors import (
    StoreDamagedError,
    StoreDriverError,
    StoreError,
    StoreForeignError,
    StoreNewerError,
    StoreRefusedError,
    StoreUnavailableError,
    StoreUnusableError,
)
from fleet.hub.store.store import Store
from tests.system.hub_store import postgres
from tests.system.hub_store.rows import batch, raw


def refused(url):
    """Return the error of opening."""
    with pytest.raises(StoreError) as caught:
        Store.open(url)
    return caught.value


def test_migrations_make_what_the_code_takes_for_granted(store):
    """Alembic sees no difference between the tables there and those in the code."""
    with store._engine.begin() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": schema.VERSION_TABLE, "compare_type": True}
        )

        assert compare_metadata(context, schema.metadata) == []


def test_many_open_a_new_database_at_once(url):
    """One makes the tables, the others find them; all can write."""
    failures = []

    def use(number):
        try:
            store = Store.open(url)
            store.write(batch(raw(number)))
            store.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    store = Store.open(url)
    assert len(list(store.raw_since(0))) == 6
    store.close()


def test_a_newer_database_is_left_alone(store, url):
    """And the way back is named."""
    with store._engine.begin() as connection:
        connection.execute(text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'"))
    store.close()
    error = refused(url)

    assert isinstance(error, StoreNewerError)
    assert error.exit_code == 3
    assert "'9999'" in str(error)
    assert "newer paceline" in str(error)


def test_closing_twice_is_harmless(store):
    """As everywhere."""
    store.close()
    store.close()


@pytest.mark.sqlite_only
def test_file_and_folder_are_this_users_alone(store):
    """What devices say is nobody else's business."""
    path = Path(store.name.removeprefix("sqlite:///"))
    store.write(batch(raw()))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"It is no database at all. " * 400, b"\x00" * 5000])
def test_a_file_that_is_no_database_is_left_alone(tmp_path, content):
    """It may be somebody's thesis."""
    path = tmp_path / "thesis.txt"
    path.write_bytes(content)

    assert isinstance(refused(f"sqlite:///{path}"), StoreForeignError)
    assert path.read_bytes() == content


def test_anothers_database_is_left_alone(tmp_path):
    """Nothing is added to it."""
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (a)")
    other.close()
    before = path.read_bytes()

    assert isinstance(refused(f"sqlite:///{path}"), StoreForeignError)
    assert path.read_bytes() == before


def test_a_damaged_database_is_named(new_sqlite):
    """With what to do."""
    store = Store.open(new_sqlite)
    store.write(batch(*(raw(n, payload=os.urandom(1000)) for n in range(500))))
    store.close()
    path = Path(store.name.removeprefix("sqlite:///"))
    content = path.read_bytes()
    path.write_bytes(content[:4096] + os.urandom(len(content) - 4096))

    error = refused(new_sqlite)
    assert isinstance(error, StoreDamagedError)
    assert "move it away" in str(error)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    """A folder that is not ours, one that is no folder, and a folder where a file should be."""
    nowhere = "/proc/paceline" if os.geteuid() == 0 else "/usr"
    (tmp_path / "file").write_text("")

    for path in (f"{nowhere}/hub.db", tmp_path / "file" / "hub.db", tmp_path):
        error = refused(f"sqlite:///{path}")
        assert isinstance(error, StoreUnusableError)
        assert error.exit_code == 3
        assert "--db" in str(error)


def test_a_file_that_may_only_be_read_is_named(new_sqlite):
    """To a user who is not root."""
    Store.open(new_sqlite).close()
    path = Path(new_sqlite.removeprefix("sqlite:///"))
    path.chmod(0o444)
    path.parent.chmod(0o555)
    for folder in path.parents:
        if folder.stat().st_uid == os.geteuid() and folder != path.parent and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o711)
    code = f"from fleet.hub.store.store import Store; Store.open({new_sqlite!r})"
    told = _as_nobody(code)

    assert "StoreUnusableError" in told
    assert "--db" in told


def test_a_wrong_password_is_named(cluster):
    """And not repeated."""
    error = refused(f"postgresql://postgres:geheim@127.0.0.1:{cluster.port}/postgres")

    assert isinstance(error, StoreRefusedError)
    assert error.exit_code == 8
    assert ".pgpass" in str(error)
    assert "geheim" not in str(error)


def test_a_password_may_stand_in_a_file(cluster, tmp_path, monkeypatch):
    """So that it is in no command line."""
    cluster.url()
    name = postgres.DATABASE
    file = tmp_path / "pgpass"
    file.write_text(f"127.0.0.1:{cluster.port}:{name}:postgres:right\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))

    store = Store.open(f"postgresql://postgres@127.0.0.1:{cluster.port}/{name}")
    assert store.name == f"postgresql://127.0.0.1:{cluster.port}/{name}"
    store.close()


def test_a_user_who_may_make_no_tables_is_named(cluster):
    """As every user but the owner on PostgreSQL 15."""
    url = cluster.url()
    cluster.sql("GRANT USAGE ON SCHEMA public TO public", postgres.DATABASE)
    cluster.sql("CREATE ROLE guest LOGIN")
    error = refused(url.replace("postgres@", "guest@"))

    assert isinstance(error, StoreRefusedError)
    assert "create tables" in str(error)


def test_a_database_that_is_not_there_is_named(cluster):
    """It is for people to make it."""
    error = refused(f"postgresql://postgres@/none?host={cluster.folder}&port={cluster.port}")

    assert isinstance(error, StoreUnusableError)
    assert 'database "none" does not exist' in str(error)


def test_a_server_that_is_not_there_is_worth_another_try():
    """It may be about to start."""
    error = refused("postgresql://me@127.0.0.1:1/hub")

    assert isinstance(error, StoreUnavailableError)
    assert error.retryable
    assert error.exit_code == 6


def test_a_missing_driver_is_named():
    """With the line that installs it."""
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from fleet.hub.store.store import Store; Store.open('postgresql://a@b/c')"
    )
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert StoreDriverError.__name__ in child.stderr
    assert "pip install 'paceline[postgres]'" in child.stderr


@pytest.fixture
def new_sqlite(tmp_path):
    """The URL of a new file."""
    return f"sqlite:///{tmp_path}/state/hub.db"


def _as_nobody(code):
    command = [sys.executable, "-c", code]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stderr
