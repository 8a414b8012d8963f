"""``paceline hub serve``: what it takes, and what it refuses before anything is started."""

import subprocess
import sys

import pytest

from paceline import cli
from paceline.commands import hub
from paceline.hub_errors import BadHubOptionError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8787", ("127.0.0.1", 8787)),
        ("[::1]:0", ("::1", 0)),
        ("hub.local:80", ("hub.local", 80)),
    ],
)
def test_where_to_listen_is_host_and_port(text, expected):
    """An IPv6 address stands in brackets."""
    assert hub.listen_address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "8787", ":8787", "host", "host:", "::1:80", "h:99999", "a b:1", "http://h:1"]
)
def test_what_is_no_address_is_refused(text):
    """With an example."""
    with pytest.raises(BadHubOptionError, match=r"--listen: .*such as"):
        hub.listen_address(text)


def test_sizes_have_units():
    """Too little for a database is refused."""
    assert hub.size("500MiB") == 500 << 20
    assert hub.size("4 GiB") == 4 << 30
    assert hub.size("16777216") == 16 << 20
    assert hub.size("4GB") == 4 * 10**9
    for text in ("1KiB", "-1GiB", "", "x"):
        with pytest.raises(BadHubOptionError, match="--max-bytes"):
            hub.size(text)


@pytest.mark.parametrize("place", ["me:secret@host/hub", "me@host/hub?password=secret"])
def test_a_password_in_the_command_line_is_refused_and_not_repeated(place, capsys):
    """Every user of the machine could read it."""
    code = cli.run(["hub", "serve", "--db", f"postgresql://{place}"])

    assert code == 2
    assert ".pgpass" in (said := capsys.readouterr().err)
    assert "secret" not in said


def test_without_the_extra_it_says_what_to_install():
    """One sentence, no trace: as on a device, where the hub's libraries are not."""
    code = (
        "import sys\n"
        "for name in ('litestar', 'uvicorn', 'sqlalchemy', 'prometheus_client', 'jinja2'):\n"
        "    sys.modules[name] = None\n"
        "from paceline import cli\n"
        "sys.exit(cli.run(['hub', 'serve']))\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert child.returncode == 3
    assert "pip install 'paceline[fleet]'" in child.stderr
    assert child.stdout == ""
