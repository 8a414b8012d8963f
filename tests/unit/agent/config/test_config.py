import json
import os
import re
from pathlib import Path

import pytest

from agent import config
from agent.config import checks, json_schema
from agent.config.errors import (
    ConfigError,
    ConfigSyntaxError,
    ConfigUnreadableError,
    ConfigValueError,
    UnknownKeyError,
)

CONFIGS = Path(__file__).parents[4] / "configs"
EXAMPLES = sorted(set(CONFIGS.glob("*.yaml")) - {CONFIGS / "fleet.yaml"})
"""Of agents; that of a fleet has tests of its own."""


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


@pytest.mark.parametrize(
    "origin",
    [
        "http://[::1",
        "http://[1.2.3]",
        "http://x[::1]",
        "http://a..b",
        "http://:80",
        "http://host:0",
        "http://host:65536",
        "http://host:80:90",
        "http://host\n",
        "ftp://host",
    ],
)
def test_an_origin_that_nothing_could_connect_to_is_refused(file, origin):
    """At once and by name, not when a segment is fetched from it."""
    sentence = _refusal(file(f"\nartifacts: {{origin: {json.dumps(origin)}}}\n"))

    assert sentence.startswith("agent.yaml:2: artifacts.origin: expected an address such as")


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:8788",
        "https://[::1]:8788/a/b",
        "http://10.0.0.7",
        "http://a-b_c.example./",
    ],
)
def test_an_origin_is_taken_as_it_is_written(file, origin):
    """By name or address, with port and path."""
    loaded = config.load(file(f"artifacts: {{origin: '{origin}'}}"), {})

    assert loaded.config.artifacts.origin == origin


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


@pytest.mark.parametrize(
    "key", ["broker.username", "state_folder", "trust.keys", "broker.url", "device"]
)
def test_a_variable_that_is_no_text_is_refused(key):
    """An environment may hold any bytes; printing them would be an error of its own."""
    sentence = _refusal(None, {config.variable(key): os.fsdecode(b"a,\xff\xfe")})

    assert sentence.startswith(f"environment {config.variable(key)}: {key}: expected text in UTF-8")
    assert sentence.isascii()


def test_a_username_without_a_place_in_mqtt_is_refused(file):
    """NUL ends a connection at the broker, with no reason given."""
    sentence = _refusal(file('broker: {username: "a\\0b"}'))

    assert "agent.yaml:1: broker.username: expected a user's name (a text without NUL)" in sentence


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


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_shipped_examples_load(path):
    """A newcomer's first configuration works, and its defaults are the real ones."""
    loaded = config.load(path, {})

    assert loaded.config.broker.url == "mqtt://localhost:1883"


def test_there_is_an_example_for_each_kind_of_device():
    """The test above has something to test."""
    expected = {"coral.yaml", "jetson.yaml", "raspberry-pi.yaml", "x86.yaml"}
    assert expected == {path.name for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_examples_name_every_key(path, file):
    """Each key stands in its group, set or behind a comment sign: whoever reads it knows all."""
    lines = path.read_text().splitlines()
    assert lines[0] == "# yaml-language-server: $schema=agent.schema.json"
    keys, group = [], ""
    for line in lines:
        match = re.fullmatch(r"(?:# )?(  )?(?:# )?([a-z_]+):( \S+| \[.*\])?", line)
        if match is None:
            continue
        indent, name, value = match.groups()
        if not indent and value is None:
            group = f"{name}."
        else:
            keys.append((group if indent else "") + name)

    expected = {key for key in config.KINDS if not key.startswith("data_broker.")}
    assert expected | {"data_broker.url"} == set(keys)
    assert len(keys) - len(set(keys)) <= 1  # trust.keys: how it is set, and how it may be


def test_schema_for_editors_is_that_of_the_types():
    """Else: python -m agent --config-schema > configs/agent.schema.json."""
    assert json_schema.schema() == json.loads((CONFIGS / "agent.schema.json").read_text())


def test_schema_tells_sizes_paths_keys_and_defaults():
    """An editor completes keys, explains them, and marks a slip."""
    groups = json_schema.schema()["$defs"]

    assert groups["Limits"]["properties"]["store_bytes"]["anyOf"][0]["type"] == [
        "integer",
        "string",
    ]
    assert groups["Broker"]["properties"]["ca_file"]["description"].startswith("Certificates")
    assert groups["Config"]["additionalProperties"] is False
    assert "required" not in groups["Config"]


# --- drop-ins


def test_drop_ins_win_over_the_file_in_the_order_of_their_names(file, tmp_path):
    """An installer or an administrator adds a file; the one that people edit stays as it is."""
    path = file("site: a\nroot: r\ntrust: {keys: [a.pub]}\nbroker: {url: 'mqtt://localhost:1'}\n")
    (tmp_path / "agent.d").mkdir()
    (tmp_path / "agent.d" / "20.yaml").write_text("site: c\n\nbroker:\n  ca_file: ca.pem\n")
    (tmp_path / "agent.d" / "10.yaml").write_text("site: b\ntrust: {keys: [b.pub]}\n")
    (tmp_path / "agent.d" / "notes.txt").write_text("no: [yaml")
    (tmp_path / "agent.d" / ".30.yaml").write_text("site: hidden")
    loaded = config.load(path, {})

    assert (loaded.config.site, loaded.sources["site"]) == ("c", "agent.d/20.yaml:1")
    assert (loaded.config.root, loaded.sources["root"]) == ("r", "agent.yaml:2")
    assert loaded.config.trust.keys == (tmp_path / "agent.d" / "b.pub",)
    assert loaded.config.broker.url == "mqtt://localhost:1"
    assert loaded.sources["broker.ca_file"] == "agent.d/20.yaml:4"


def test_drop_in_that_is_wrong_is_named(file, tmp_path):
    """Its path and line, not those of the file that it belongs to."""
    (tmp_path / "agent.d").mkdir()
    (tmp_path / "agent.d" / "x.yaml").write_text("\nsight: b\n")

    assert _refusal(file("site: a\n")).startswith("agent.d/x.yaml:2: sight: unknown key; did you")


# --- credentials


def test_credential_is_a_file_that_systemd_gives(file):
    """The same line works wherever systemd puts them."""
    path = file("broker: {password_file: 'credential:broker.password'}\n")
    loaded = config.load(path, {"CREDENTIALS_DIRECTORY": "/run/credentials/x.service"})

    assert str(loaded.config.broker.password_file) == "/run/credentials/x.service/broker.password"


def test_credential_of_a_loaded_folder_is_found_by_its_file_name(file, tmp_path):
    """`LoadCredential=paceline:/etc/paceline/credentials` makes paceline_NAME of NAME."""
    (tmp_path / "paceline_broker.password").write_text("secret")
    path = file("broker: {password_file: 'credential:broker.password'}\n")
    loaded = config.load(path, {"CREDENTIALS_DIRECTORY": str(tmp_path)})

    assert loaded.config.broker.password_file == tmp_path / "paceline_broker.password"


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden"])
def test_credential_is_only_a_name(file, name):
    """It never leads out of the folder."""
    path = file(f"broker:\n  ca_file: 'credential:{name}'\n")
    sentence = _refusal(path, {"CREDENTIALS_DIRECTORY": "/run/c"})

    assert sentence.startswith("agent.yaml:2: broker.ca_file: expected credential: and a name")


def test_credential_without_systemd_says_where_it_would_come_from(file):
    """Somebody starts an installed device's agent by hand."""
    sentence = _refusal(file("trust:\n  keys: ['credential:trusted']\n"))

    assert sentence.startswith("agent.yaml:2: trust.keys[0]: expected the path of a file")
    assert "LoadCredential" in sentence


# --- all that is wrong


def test_everything_that_is_wrong_is_found_at_once(file):
    """Whoever repairs a file need not run a command for each line."""
    path = file("sight: b\nbroker: 7\nlimits:\n  inbox_frames: 0\n  inbox: 1\nsite: ok\n")
    loaded, problems = config.examined(path, {})

    places = [str(problem).partition(": ")[0] for problem in problems]
    assert [f"agent.yaml:{line}" for line in (1, 2, 5, 4)] == places
    assert (loaded.config.site, loaded.config.limits) == ("ok", config.Limits())


# --- brokers off this machine


def _found(path):
    loaded = config.load(path, {})
    return [p.code for p in checks.problems(loaded)], list(checks.warnings(loaded.config))


@pytest.mark.parametrize(
    "url", ["mqtt://localhost", "ws://127.0.0.9:80/mqtt", "mqtt://[::1]", "mqtts://far.example"]
)
def test_a_broker_on_this_machine_or_with_tls_needs_nothing_more(file, url):
    """What nobody else can hear; what is encrypted to a broker that proves its name."""
    assert _found(file(f"broker: {{url: '{url}'}}")) == ([], [])


@pytest.mark.parametrize("url", ["mqtt://broker.lan", "ws://192.168.1.2", "mqtt://[fe80::1]"])
def test_an_open_broker_off_this_machine_is_refused(file, url):
    """The sentence says where it stands and every way out."""
    path = file(f"broker:\n  username: me\n  url: '{url}'\n")
    loaded = config.load(path, {})
    (problem,) = checks.problems(loaded)

    assert str(problem).startswith(f"agent.yaml:3: broker.url: {url}")
    assert all(way in str(problem) for way in ("password_file", "mqtts://", "insecure: true"))


def test_a_password_without_tls_is_enough_and_told(file):
    """It keeps strangers out; on a network that others listen to it is not enough."""
    path = file("broker: {url: 'mqtt://broker.lan', password_file: p}")
    codes, ((url, reason),) = _found(path)

    assert (codes, url) == ([], "mqtt://broker.lan:1883")
    assert "unencrypted" in reason


def test_an_open_broker_is_taken_where_it_is_written_that_it_is_insecure(file):
    """And it is told all the same."""
    codes, ((_, reason),) = _found(file("insecure: true\nbroker: {url: 'mqtt://broker.lan'}"))

    assert codes == []
    assert "no credentials and no TLS" in reason


def test_the_broker_for_tensors_is_judged_too(file):
    """Frames are worth as much as orders."""
    codes, _ = _found(file("data_broker: {url: 'mqtt://broker.lan'}"))

    assert codes == ["config.insecure"]


@pytest.mark.parametrize(
    ("broker", "what"),
    [
        ("{url: 'mqtts://b', client_key_file: k}", "client_cert_file, too"),
        ("{url: 'mqtt://localhost', client_cert_file: c}", "not encrypted"),
    ],
)
def test_a_client_certificate_that_would_not_be_shown_is_refused(file, broker, what):
    """Somebody believes that it protects."""
    (problem,) = checks.problems(config.load(file(f"broker: {broker}"), {}))

    assert (problem.code, what in str(problem)) == ("config.client_certificate", True)


def test_example_for_a_pc_shows_the_defaults():
    """What the example sets, is what an agent without it does."""
    loaded = config.load(CONFIGS / "x86.yaml", {}, host_name="a")

    assert loaded.config == config.load(None, {}, host_name="a").config
