"""Where the front door's settings come from, and what is wrong with them."""

from pathlib import Path

import pytest

from paceline import settings
from paceline.settings_errors import (
    BadSettingError,
    SettingsSyntaxError,
    SettingsUnreadableError,
    UnknownSettingError,
)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes the settings file and gives its path."""

    def write(text):
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return path

    return write


def home(tmp_path, **more):
    """Return an environment whose home is empty."""
    return {"HOME": str(tmp_path), **more}


def test_without_anything_said_every_value_is_the_default(tmp_path):
    """A newcomer with a broker on localhost says nothing."""
    loaded = settings.load(home(tmp_path))

    assert loaded.settings.broker.url == "mqtt://localhost:1883"
    assert (loaded.settings.site, loaded.settings.root) == ("default", "paceline")
    assert set(loaded.sources.values()) == {"default"}


def test_option_beats_environment_beats_file_beats_default(tmp_path, write):
    """Each source wins over the next, and says its place."""
    path = write("broker:\n  url: mqtt://file:1\nsite: file\nroot: file\n")
    environ = home(
        tmp_path, PACELINE_BROKER_URL="mqtt://environment:1", PACELINE_SITE="environment"
    )
    loaded = settings.load(environ, {"broker.url": "mqtt://option:1", "site": None}, path)

    assert loaded.settings.broker.url == "mqtt://option:1"
    assert (loaded.settings.site, loaded.settings.root) == ("environment", "file")
    assert loaded.sources["broker.url"] == "option --broker"
    assert loaded.sources["site"] == "environment PACELINE_SITE"
    assert loaded.sources["root"] == f"{path}:4"
    assert loaded.sources["broker.username"] == "default"


def test_the_users_own_file_is_found_and_may_be_missing(tmp_path):
    """It is in XDG_CONFIG_HOME; one that was named must be there."""
    folder = tmp_path / "paceline"
    folder.mkdir()
    (folder / "config.yaml").write_text("site: mine\n")

    assert settings.load({"XDG_CONFIG_HOME": str(tmp_path)}).settings.site == "mine"
    assert settings.load(home(tmp_path / "other")).settings.site == "default"
    with pytest.raises(SettingsUnreadableError, match="no such file"):
        settings.load(home(tmp_path), file=tmp_path / "none.yaml")
    with pytest.raises(SettingsUnreadableError, match="no such file"):
        settings.load(home(tmp_path, PACELINE_CONFIG="/none.yaml"))


def test_paths_in_the_file_are_relative_to_it(tmp_path, write):
    """And those of options to where the user stands."""
    path = write("broker:\n  password_file: secret\n")
    options = {"broker.ca_file": Path("ca.pem")}
    loaded = settings.load(home(tmp_path), options, path).settings

    assert loaded.access.password_file == tmp_path / "secret"
    assert loaded.access.ca_file == Path.cwd() / "ca.pem"


def test_an_empty_variable_counts_as_not_set(tmp_path):
    """As an empty line in a unit file leaves it."""
    assert settings.load(home(tmp_path, PACELINE_SITE="")).sources["site"] == "default"


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("brokr:\n  url: mqtt://b\n", ":2", "did you mean broker.url?"),
        ("site: ok\nbroker:\n  urll: x\n", ":3", "broker.urll: unknown key; did you mean"),
        ("zzzzzz: 1\n", ":1", "unknown key; known: broker.url"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(tmp_path, write, text, where, said):
    """A slip of the pen must not be taken for silence."""
    with pytest.raises(UnknownSettingError) as caught:
        settings.load(home(tmp_path), file=write(text))

    assert f"config.yaml{where}: " in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("site: 7\n", "config.yaml:1: site: expected a text, got int 7"),
        ("site: Not An Id\n", "site: expected an id"),
        ("site:\n", "site: expected a text, got nothing"),
        ("broker:\n  max_packet_bytes: many\n", "expected a number of bytes, got str 'many'"),
        ("broker:\n  max_packet_bytes: true\n", "expected a number of bytes, got bool True"),
        ("broker:\n  max_packet_bytes: 3\n", "at least 1024"),
        ("codec: zip\n", "expected one of fp16, int8_channel"),
        ("link: memory\n", "expected one of auto, direct, mqtt, paho"),
        ("broker:\n  url: http://b\n", "an address that cannot be used"),
        ("broker:\n  password_file: [a]\n", "expected a path"),
    ],
)
def test_a_wrong_value_is_refused_with_its_line(tmp_path, write, text, said):
    """What was expected and what was got."""
    with pytest.raises(BadSettingError) as caught:
        settings.load(home(tmp_path), file=write(text))

    assert said in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_password_in_a_url_is_refused_and_not_repeated(tmp_path):
    """Secrets are paths of files, and errors go into logs."""
    with pytest.raises(BadSettingError) as caught:
        settings.load(home(tmp_path), {"broker.url": "mqtt://user:hunter2@b"})

    assert "hunter2" not in str(caught.value)


def test_a_heading_with_everything_commented_out_means_nothing(tmp_path, write):
    """The first thing that people do with an example file."""
    loaded = settings.load(home(tmp_path), file=write("broker:\n  # url: mqtt://b\nsite: s\n"))

    assert loaded.settings.site == "s"


def test_numbers_in_the_environment_are_numbers(tmp_path):
    """There a value is always a text."""
    environ = home(tmp_path, PACELINE_BROKER_MAX_PACKET_BYTES="262144")

    assert settings.load(environ).settings.broker.max_packet_bytes == 262144


def test_rows_are_plain_and_complete(tmp_path, write):
    """`config show --json` prints them."""
    path = write("broker:\n  ca_file: ca.pem\n")
    rows = settings.load(home(tmp_path), file=path).rows()

    assert list(rows) == list(settings.KINDS)
    assert rows["broker.ca_file"] == {"value": str(tmp_path / "ca.pem"), "source": f"{path}:2"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "not YAML"),
        ("- site\n", "no mapping"),
        ("site: &x a\nroot: *x\n", "anchors and aliases"),
        ("site: !!python/object:os.system x\n", "tags are not allowed"),
        ("site: a\nsite: b\n", "stands here twice"),
        ("1: a\n", "a key that is no text"),
        ("a: {b: {c: {d: {e: 1}}}}\n", "nested too deep"),
        ("site: 2026-02-31\n", "not YAML"),
    ],
)
def test_only_plain_yaml_is_read(tmp_path, write, text, said):
    """A small file can neither grow nor run."""
    with pytest.raises(SettingsSyntaxError, match=said):
        settings.load(home(tmp_path), file=write(text))


def test_a_file_that_is_none_is_said(tmp_path):
    """A folder, bytes that are no text, and a file that is far too large."""
    binary, huge = tmp_path / "binary", tmp_path / "huge"
    binary.write_bytes(b"\xff\xfe\x00")
    huge.write_bytes(b"#" * (1 << 20))

    with pytest.raises(SettingsUnreadableError, match="no regular file"):
        settings.load(home(tmp_path), file=tmp_path)
    with pytest.raises(SettingsUnreadableError, match="no UTF-8"):
        settings.load(home(tmp_path), file=binary)
    with pytest.raises(SettingsUnreadableError, match="larger than"):
        settings.load(home(tmp_path), file=huge)
