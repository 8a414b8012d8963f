import pytest

from fleet.hub.store import url
from fleet.hub.store.errors import StoreUrlError


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("postgresql://me:geheim@db.local:5433/hub", "postgresql://db.local:5433/hub"),
        ("postgres://me:geheim@db.local/hub?sslmode=require", "postgresql://db.local/hub"),
        ("postgresql+psycopg:///hub?host=/run/pg&password=geheim", "postgresql:///run/pg/hub"),
        ("sqlite:////var/lib/paceline/hub.db", "sqlite:////var/lib/paceline/hub.db"),
    ],
)
def test_people_see_no_credentials(said, shown):
    """Neither user nor password nor options."""
    assert url.name_of(url.parsed(said)) == shown


@pytest.mark.parametrize("said", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_is_spoken_by_psycopg(said):
    """However the URL is written."""
    assert url.parsed(f"{said}://a@b/c").drivername == "postgresql+psycopg"


def test_a_path_is_made_whole(tmp_path, monkeypatch):
    """From the present folder, or from home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")

    assert url.parsed("sqlite:///hub.db").database == str(tmp_path / "hub.db")
    assert url.parsed("sqlite:///~/hub.db").database == "/home/me/hub.db"


@pytest.mark.parametrize(
    "said",
    ["hub.db", "", "mysql://a/b", "sqlite://", "sqlite:///:memory:", "sqlite:///a?mode=ro",
     "postgresql+asyncpg://a/b", "postgresql://me:geheim@a:port/b"],
)  # fmt: skip
def test_another_url_is_refused_with_an_example(said):
    """And a password that stands in it is not repeated."""
    with pytest.raises(StoreUrlError, match="write it like sqlite:///") as refused:
        url.parsed(said)

    assert "geheim" not in str(refused.value)
    assert refused.value.exit_code == 3
