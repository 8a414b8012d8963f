from pathlib import Path

import pytest

from agent import config
from agent.config.errors import (
    ConfigError,
    ConfigSyntaxError,
    ConfigUnreadableError,
    ConfigValueError,
    UnknownKeyError,
)

CONFIGS = Path(__file__).parents[4] / "configs"


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Return a function that writes agent.yaml, in a folder that is the present one."""
    monkeypatch.chdir(tmp_path)

    def write(text):
        Path("agent.yaml").write_text(text)
        return Path("agent.yaml")

    return write


def _refusal(path, environ=None, overrides=None):
    with pytest.raises(ConfigError) as caught:
        config.load(path, environ or {}, overrides)
    assert caught.value.exit_code == 3
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("site: a\nbroker:\n  url: 7\n", "agent.yaml:3: broker.url: expected str, got int 7"),
        (
            "broker:\n  ulr: mqtt://h\n",
            "agent.yaml:2: broker.ulr: unknown key; did you mean url?",
        ),
        (
            "\nlog: {zzz: 1}\n",
            "agent.yaml:2: log.zzz: unknown key; known: format, level",
        ),
        (
            "limits:\n  inbox_bytes: 64Mb\n",
            (
                "agent.yaml:2: limits.inbox_bytes: expected a unit of B, kB, MB, GB, KiB, MiB, GiB,"
                " got str '64Mb'"
            ),
        ),
        (
            "limits: {inbox_bytes: lots}\n",
            (
                "agent.yaml:1: limits.inbox_bytes: expected bytes (an int, or a text such as"
                " 64MiB), got str 'lots'"
            ),
        ),
        (
            "telemetry: {send_seconds: 5s}\n",
            (
                "agent.yaml:1: telemetry.send_seconds: expected seconds (a number above 0, up to"
                " 7 days), got str '5s'"
            ),
        ),
        (
            "runtime: {weights: mappd}\n",
            "agent.yaml:1: runtime.weights: expected one of prepacked, mapped, got str 'mappd'",
        ),
        (
            "runtime: {threads: yes}\n",
            "agent.yaml:1: runtime.threads: expected int or nothing, got bool True",
        ),
        (
            "runtime: {threads: 0}\n",
            "agent.yaml:1: runtime.threads: expected int >= 1, got int 0",
        ),
        (
            "device: My Box\n",
            (
                "agent.yaml:1: device: expected an id (1 to 48 of a-z 0-9 _ -, beginning with a"
                " letter or digit), got str 'My Box'"
            ),
        ),
        ("broker: 3\n", "agent.yaml:1: broker: expected a mapping, got int 3"),
        (
            "trust:\n  keys: [a, 3]\n",
            "agent.yaml:2: trust.keys[1]: expected a path, got int 3",
        ),
        ("trust: {keys: a}\n", "agent.yaml:1: trust.keys: expected a list, got str 'a'"),
        (
            "broker: {ca_file: [x]}\n",
            "agent.yaml:1: broker.ca_file: expected a path, got a list",
        ),
    ],
)
def test_wrong_value_is_refused_with_line_path_expected_and_got(file, text, sentence):
    """The error is enough to correct the file without reading the documentation."""
    assert _refusal(file(text)) == sentence


@pytest.mark.parametrize("seconds", [".nan", ".inf", "-1", "0", "604801"])
def test_duration_that_is_none_is_refused(file, seconds):
    """Not-a-number, infinity and nothing are no durations."""
    assert "expected seconds" in _refusal(file(f"telemetry: {{sample_seconds: {seconds}}}"))


@pytest.mark.parametrize(
    "text",
    [
        "broker: {url: 'mqtt://user:hunter2@host'}",
        "artifacts: {origin: 'http://user:hunter2@host'}",
    ],
)
def test_password_in_an_address_is_refused_and_not_repeated(file, text):
    """Secrets stand in files of their own, and never in an error or a log."""
    assert "hunter2" not in _refusal(file(text))


def test_broker_address_is_checked_where_it_stands(file):
    """A slip in the scheme is found at start, not at the first connection."""
    sentence = _refusal(file("\nbroker: {url: mqqt://h}"))

    assert sentence.startswith("agent.yaml:2: broker.url: expected a broker such as")
    assert "scheme" in sentence


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x 1\nb: *x", "agent.yaml:1: anchors and aliases are not allowed"),
        ("a: !!python/object:os.system 1", "agent.yaml:1: tags are not allowed"),
        ("site: a\nroot: b\nsite: c", "agent.yaml:3: the key 'site' stands here twice"),
        ("- a", "agent.yaml:1: no mapping of keys to values"),
        ("7: x", "agent.yaml:1: a key that is no text"),
        ("site: a\nbroker: [1 }", "agent.yaml:2: not YAML"),
        ("device: 2026-02-31", "agent.yaml: not YAML"),
        ("a: b\n---\na: c", "agent.yaml:2: not YAML"),
        ("[" * 5000, "agent.yaml:1: nested too deep or too long"),
        ("site: a\ntrust: {keys: [" + "a," * 30_000 + "]}", "agent.yaml:2: nested too deep"),
    ],
)
def test_file_that_is_not_plain_yaml_is_refused(file, text, problem):
    """A small file can neither grow large nor run anything, and every key stands once."""
    assert _refusal(file(text)).startswith(problem)


def test_file_that_is_too_large_is_refused(file):
    """Nobody writes a quarter of a megabyte of configuration."""
    path = file("#" * (256 * 1024 + 1))

    with pytest.raises(ConfigUnreadableError, match=r"agent\.yaml: larger than 262144 bytes"):
        config.load(path, {})


def test_file_that_is_missing_or_no_text_is_refused(file, tmp_path):
    """Each with its own reason."""
    path = file("")
    path.write_bytes(b"site: \xff")

    with pytest.raises(ConfigUnreadableError, match="no UTF-8 text"):
        config.load(path, {})
    with pytest.raises(ConfigUnreadableError, match="No such file"):
        config.load(tmp_path / "none.yaml", {})
    with pytest.raises(ConfigUnreadableError, match="no regular file"):
        config.load(tmp_path, {})


def test_errors_have_their_own_codes(file):
    """A program can tell a slip in a key from a wrong value."""
    codes = [
        ConfigError.code,
        ConfigUnreadableError.code,
        ConfigSyntaxError.code,
        UnknownKeyError.code,
        ConfigValueError.code,
    ]

    assert len(set(codes)) == len(codes)


def test_option_beats_environment_beats_file_beats_default(file):
    """Each value has the source that won, and the others their own."""
    path = file("site: from-file\nroot: from-file\ndevice: from-file\n")
    environ = {"PACELINE_SITE": "from-env", "PACELINE_ROOT": "from-env"}

    loaded = config.load(path, environ, {"site": "from-option"})

    assert (loaded.config.site, loaded.sources["site"]) == ("from-option", "option site")
    assert (loaded.config.root, loaded.sources["root"]) == ("from-env", "environment PACELINE_ROOT")
    assert (loaded.config.device, loaded.sources["device"]) == ("from-file", "agent.yaml:3")
    assert loaded.sources["log.level"] == "default"


def test_environment_sets_values_of_every_type():
    """A variable's text is read as the type of its key."""
    environ = {
        "PACELINE_BROKER_URL": "mqtts://broker:8883",
        "PACELINE_BROKER_KEEPALIVE_SECONDS": "7.5",
        "PACELINE_RUNTIME_THREADS": "3",
        "PACELINE_LIMITS_INBOX_BYTES": "1.5MiB",
        "PACELINE_TRUST_KEYS": "/a.pub, /b.pub",
        "PACELINE_STATE_FOLDER": "/var/lib/x",
        "PACELINE_LOG_LEVEL": "",
    }

    got = config.load(None, environ).config

    assert got.broker == config.Broker(url="mqtts://broker:8883", keepalive_seconds=7.5)
    assert (got.runtime.threads, got.limits.inbox_bytes) == (3, 3 << 19)
    assert got.trust.keys == (Path("/a.pub"), Path("/b.pub"))
    assert (got.state_folder, got.log.level) == (Path("/var/lib/x"), "info")


def test_wrong_variable_and_wrong_option_are_named():
    """The error says which of the sources to correct."""
    threads = _refusal(None, {"PACELINE_RUNTIME_THREADS": "many"})
    option = _refusal(None, {}, {"broker.ulr": "x"})

    assert threads == (
        "environment PACELINE_RUNTIME_THREADS: runtime.threads:"
        " expected int or nothing, got str 'many'"
    )
    assert option == "option broker.ulr: broker.ulr: unknown key; did you mean broker.url?"


def test_unknown_variables_are_told_not_refused():
    """Other programs of ours read PACELINE_ variables too; a slip is still visible."""
    loaded = config.load(None, {"PACELINE_BROKER_ULR": "x", "PATH": "/bin"})

    assert loaded.unknown_environment == ("PACELINE_BROKER_ULR",)


def test_option_that_was_not_given_changes_nothing():
    """A command line passes None for what nobody typed; typed values are taken as they are."""
    overrides = {"site": None, "state_folder": Path("/x"), "runtime.threads": 2}

    loaded = config.load(None, {}, overrides)

    assert loaded.sources["site"] == "default"
    assert (loaded.config.state_folder, loaded.config.runtime.threads) == (Path("/x"), 2)


def test_defaults_come_from_the_host_and_the_home():
    """Without any source an agent still has a name and a folder."""
    got = config.load(None, {"HOME": "/home/ada"}, host_name="Kitchen_Pi.lan").config

    assert got.device == "kitchen_pi"
    assert got.state_folder == Path("/home/ada/.local/state/paceline-agent")
    assert got.broker == config.Broker()
    assert got.data_broker is None


def test_host_whose_name_makes_no_id_is_still_a_device():
    """A host named in another script gets a name that fits into topics."""
    assert config.load(None, {}, host_name="кухня").config.device == "device"


def test_a_user_without_a_home_must_name_the_state_folder(monkeypatch):
    """As in a container that runs as any number: no traceback, and what is named counts."""

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)

    assert _refusal(None) == (
        "default: state_folder: expected a path, from the configuration or PACELINE_STATE_FOLDER,"
        " got nothing, and this user has no home folder"
    )
    given = config.load(None, {"PACELINE_STATE_FOLDER": "/srv"}).config
    assert given.state_folder == Path("/srv")


def test_systemd_gives_the_state_folder():
    """STATE_DIRECTORY may list several; ours is the first. PACELINE_STATE_FOLDER is stronger."""
    environ = {"STATE_DIRECTORY": "/var/lib/paceline-agent:/var/lib/other"}

    loaded = config.load(None, environ)
    stronger = config.load(None, {**environ, "PACELINE_STATE_FOLDER": "/srv"})

    assert loaded.config.state_folder == Path("/var/lib/paceline-agent")
    assert loaded.sources["state_folder"] == "environment STATE_DIRECTORY"
    assert stronger.config.state_folder == Path("/srv")


def test_paths_in_the_file_are_relative_to_its_folder(file, tmp_path, monkeypatch):
    """A configuration can be moved together with its keys; ~ is the home."""
    monkeypatch.setenv("HOME", "/home/ada")
    path = tmp_path / file("trust: {keys: [keys/a.pub, /b.pub, ~/c.pub]}")
    monkeypatch.chdir("/")

    keys = config.load(path, {}).config.trust.keys

    assert keys == (tmp_path / "keys/a.pub", Path("/b.pub"), Path("/home/ada/c.pub"))


def test_heading_without_keys_is_as_if_it_were_not_there(file):
    """Commenting out every key of a group is not an error."""
    got = config.load(file("trust:\n  # keys: []\nlog:\n"), {}, host_name="a").config

    assert got == config.load(None, {}, host_name="a").config


def test_data_broker_exists_when_one_of_its_keys_is_given(file):
    """From any source; the rest of it has the defaults of a broker."""
    path = file("data_broker: {url: mqtt://near}")

    loaded = config.load(path, {"PACELINE_DATA_BROKER_KEEPALIVE_SECONDS": "3"})

    assert loaded.config.data_broker == config.Broker(url="mqtt://near", keepalive_seconds=3)
    assert loaded.sources["data_broker.url"] == "agent.yaml:1"
    assert loaded.sources["data_broker.username"] == "default"
    assert "data_broker" not in loaded.sources


def test_every_key_has_a_variable_of_its_own():
    """Joining by underscores makes no two keys the same."""
    names = [config.variable(key) for key in config.KINDS]

    assert len(set(names)) == len(names)
    assert config.variable("data_broker.url") == "PACELINE_DATA_BROKER_URL"


def test_rows_are_plain_and_complete():
    """What `config show` prints holds every key once, as JSON can say it."""
    rows = config.load(None, {"PACELINE_TRUST_KEYS": "/a"}).rows()

    expected = {k for k in config.KINDS if not k.startswith("data_broker.")} | {"data_broker"}
    assert set(rows) == expected
    assert rows["trust.keys"] == {
        "value": ["/a"],
        "source": "environment PACELINE_TRUST_KEYS",
    }
    assert rows["data_broker"] == {"value": None, "source": "default"}


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.name)
def test_shipped_examples_load(path):
    """A newcomer's first configuration works, and its defaults are the real ones."""
    loaded = config.load(path, {})

    assert loaded.config.broker.url == "mqtt://localhost:1883"


def test_there_are_examples_for_a_pc_and_a_pi():
    """The test above has something to test."""
    assert {"raspberry-pi.yaml", "x86.yaml"} <= {path.name for path in CONFIGS.glob("*.yaml")}


@pytest.mark.parametrize("name", ["x86.yaml", "raspberry-pi.yaml"])
def test_examples_name_every_key(name):
    """Each key is there, set or behind a comment sign: whoever reads the example knows all."""
    lines = (CONFIGS / name).read_text().splitlines()
    seen = {line.strip("# ").partition(":")[0] for line in lines if ":" in line}

    expected = {part for key in config.KINDS for part in key.split(".")}
    assert expected - seen == set()


def test_example_for_a_pc_shows_the_defaults():
    """What the example sets, is what an agent without it does."""
    loaded = config.load(CONFIGS / "x86.yaml", {}, host_name="a")

    assert loaded.config == config.load(None, {}, host_name="a").config
