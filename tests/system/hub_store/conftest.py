"""The same tests on both databases: SQLite, and a PostgreSQL that is started for them."""

import pytest

from fleet.hub.store.store import Store
from tests.system.hub_store import postgres

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def cluster():
    """A PostgreSQL that runs."""
    if reason := postgres.missing():
        pytest.skip(reason)
    made = postgres.Cluster()
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture
def new_url(request, tmp_path):
    """Return a function that names a new database; of both kinds in turn where a test asks so."""
    kind = getattr(request, "param", "sqlite")
    count = iter(range(1_000_000))

    def make():
        if kind == "postgresql":
            return request.getfixturevalue("cluster").url()
        return f"sqlite:///{tmp_path}/state/hub{next(count)}.db"

    return make


def pytest_generate_tests(metafunc):
    """Run what asks for a database on both."""
    if "new_url" in metafunc.fixturenames and "sqlite_only" not in metafunc.definition.keywords:
        metafunc.parametrize("new_url", DATABASES, indirect=True)


def pytest_configure(config):
    """Say what the mark means."""
    config.addinivalue_line("markers", "sqlite_only: is about files")


@pytest.fixture
def url(new_url):
    """The URL of a new database."""
    return new_url()


@pytest.fixture
def store(url):
    """A new, open store."""
    opened = Store.open(url)
    yield opened
    opened.close()
