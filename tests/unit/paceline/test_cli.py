"""The command line: what it imports, how it fails, and what it exits with."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from paceline import cli
from paceline.cli import Command
from paceline.options import FLAG_OPTIONS, VALUE_OPTIONS

NAMES = [command.name for command in cli.COMMANDS]
BROKEN = '''
from wire.errors import BadIdError

def bug():
    """Meet a bug."""
    raise ZeroDivisionError("no\\nmore")

def refuse():
    """Refuse."""
    raise BadIdError("site", "A B")

def stop():
    """Be interrupted."""
    raise KeyboardInterrupt
'''


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """Keep the user's files out of it, and the logs' configuration as it was."""
    for name in [n for n in os.environ if n.startswith(("PACELINE_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    yield
    structlog.reset_defaults()


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Give commands that fail in every way there is."""
    (tmp_path / "broken_commands.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(tmp_path)
    commands = [Command(n, f"broken_commands:{n}", n, n) for n in ("bug", "refuse", "stop")]
    monkeypatch.setattr(cli, "COMMANDS", commands)


def child(*code, **more):
    """Run Python in a child."""
    return subprocess.run(
        [sys.executable, *code], capture_output=True, text=True, check=False, timeout=60, **more
    )


# --- help


@pytest.mark.parametrize("name", NAMES)
def test_every_command_helps_with_an_example(name, capsys):
    """Nobody has to guess the shape of a call."""
    assert cli.run([name, "--help"]) == 0

    text = " ".join(capsys.readouterr().out.split())
    assert f"Example: paceline {name}" in text
    assert "--json" in text


@pytest.mark.parametrize("name", cli.GROUPS)
def test_every_group_helps_with_an_example_of_its_own(name, capsys):
    """Not with the first command of all."""
    assert cli.run([name, "--help"]) == 0

    text = " ".join(capsys.readouterr().out.split())
    assert f"Example: {cli.GROUPS[name][1][0].example}" in text


def test_help_lists_every_command(capsys):
    """Also when nothing is asked for."""
    assert cli.run([]) == 0

    text = capsys.readouterr().out
    assert [name for name in (*NAMES, "config", "key") if name not in text] == []


def test_the_version_is_printed(capsys):
    """One line, as scripts want it."""
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.count(".") == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["status", "Not An Id"], 3),
        (["restore", "Not An Id"], 3),
        (["forget", "pi-9", "d/+"], 3),
        (["forget"], 2),
        (["config", "show"], 0),
    ],
)
def test_light_commands_import_no_arrays_and_no_runtime(arguments, code, tmp_path):
    """What is asked for often must answer at once, also on a Pi."""
    heavy = ("numpy", "onnx", "onnxruntime", "PIL")
    program = (
        "import sys; from paceline import cli; code = cli.run(sys.argv[1:]);"
        f"print([m for m in {heavy} if m in sys.modules], code, file=sys.stderr)"
    )
    ended = child("-c", program, *arguments, env={**os.environ, "HOME": str(tmp_path)})

    assert ended.stderr.splitlines()[-1] == f"[] {code}"


# --- errors


def test_a_slip_in_a_command_is_a_usage_error_with_a_hint(capsys):
    """Exit 2, one line, and nothing on stdout."""
    assert cli.run(["stats"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith('error: Unknown command "stats". Did you mean "status"?')
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["deploy"],
        ["deploy", "parts"],
        ["deploy", "parts", "--to"],
        ["deploy", "parts", "--to", "a", "--timeout", "soon"],
        ["deploy", "parts", "--to", "a", "--timeout", "0"],
        ["doctor", "--timeout", "-1"],
        ["doctor", "--device", "d", "--timeout", "nan"],
        ["restore", "--timeout", "inf"],
        ["status", "--brokr", "x"],
        ["split", "m.onnx", "--out", "o"],
        ["split", "m.onnx", "--out", "o", "--stages", "0"],
        ["split", "m.onnx", "--out", "o", "--stages", "3", "--at", "a"],
        ["split", "m.onnx", "--out", "o", "--stages", "2", "--dim", "N"],
        ["split", "m.onnx", "--out", "o", "--stages", "2", "--preprocess", "/none"],
        ["run", "p", "--input", "x.npz", "--output", "o.npz", "--count", "0"],
        ["run", "p"],
        ["run", "p", "--input", "x.npz", "--output", "o.npz", "--source", "in"],
        ["run", "p", "--input", "x.npz", "--output", "o.npz", "--follow"],
        ["run", "p", "--source", "in", "--output", "o.npz"],
        ["run", "p", "--source", "in", "--policy", "newest"],
        ["run", "p", "--source", "in", "--format", "gif"],
        ["run", "p", "--source", "in", "--qos", "2", "--sink", "mqtt:a"],
        ["run", "p", "--source", "in", "--qos", "1"],
        ["run", "p", "--source", "in", "--sink", "mqtt:a", "--format", "jpg"],
    ],
)
def test_wrong_usage_exits_2_and_says_so_as_json(arguments, capsys):
    """A program that reads stdout gets an object in every case."""
    assert cli.run([*arguments, "--json"]) == 2

    out, err = capsys.readouterr()
    assert set(json.loads(out)["error"]) == {"code", "message"}
    assert err.startswith("error: ")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (["verify", "/none"], 3, "split.damaged"),
        (["deploy", "/none", "--to", "a"], 3, "split.damaged"),
        (["split", "/none/m.xyz", "--stages", "2", "--out", "o"], 3, "model.unknown_format"),
        (["status", "UPPER"], 3, "id.malformed"),
        (["config", "show", "--broker", "http://b"], 3, "settings.bad_value"),
        (["status", "--config", "/none.yaml"], 3, "settings.unreadable"),
        (["status", "--username", "u", "--password-file", "/none"], 3, "settings.unreadable"),
        (["deploy", "p", "--to", "a", "--trust", "/none"], 8, "signature.refused"),
        (["key", "show", "--key", "/"], 3, "key.unusable"),
    ],
)
def test_bad_input_exits_with_the_codes_number(arguments, exit_code, code, capsys):
    """The exit code says the kind, the error code the case."""
    assert cli.run(["--json", *arguments]) == exit_code
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["stats"], "paceline"),
        (["status", "--brokr", "x"], "paceline status"),
        (["bench", "hop", "--bytes", "much"], "paceline bench hop"),
        (["bench", "hops"], "paceline bench"),
        (["deploy", "parts"], "paceline deploy"),
        (["run", "p", "--input", "x", "--qos", "1"], "paceline run"),
        (["--debug", "hub", "serve", "--listen", "x"], "paceline hub serve"),
    ],
)
def test_a_wrong_option_points_at_its_commands_help(arguments, command, capsys):
    """Where the right ones stand."""
    assert cli.run(arguments) == 2
    assert capsys.readouterr().err.count(f"(see {command} --help)") == 1


def test_a_lone_hyphen_is_a_sink(capsys, unused_port, tmp_path):
    """It is standard output, and no option that lacks its value."""
    url = f"mqtt://127.0.0.1:{unused_port}"
    (tmp_path / "a.npz").touch()
    run = ["run", "p", "--source", str(tmp_path), "--sink", "-", "--broker", url]

    assert cli.run(run) == 6
    assert "no connection" in capsys.readouterr().err


def test_a_broker_that_is_not_there_is_exit_6(capsys, unused_port):
    """Unreachable is told from refused."""
    broker = f"mqtt://127.0.0.1:{unused_port}"

    assert cli.run(["status", "p", "--broker", broker]) == 6
    assert f"broker {broker}: no connection" in capsys.readouterr().err


@pytest.fixture
def unused_port(monkeypatch):
    """Give a port where nobody listens, and do not wait long for it."""
    monkeypatch.setattr("paceline.connection.CONNECT_SECONDS", 0.5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_bug_is_one_line_and_a_traceback_only_on_demand(broken, capsys, monkeypatch):
    """Exit 1; the traceback is for those who ask."""
    assert cli.run(["bug"]) == 1
    short = capsys.readouterr().err
    monkeypatch.setenv("PACELINE_DEBUG", "1")
    assert cli.run(["bug"]) == 1
    long = capsys.readouterr().err

    assert short.startswith("error: ZeroDivisionError: no more; this is a bug in paceline")
    assert len(short.splitlines()) == 1
    assert "Traceback" in long


def test_an_expected_error_is_no_bug(broken, capsys):
    """Its own sentence, its own exit code."""
    assert cli.run(["refuse"]) == 3
    assert capsys.readouterr().err.startswith("error: site: 'A B' is no valid id")


def test_an_interrupt_is_exit_130(broken, capsys):
    """As shells expect it."""
    assert cli.run(["stop"]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_unwinds_the_command(number, tmp_path):
    """SIGTERM too: what a deploy began is put back before the process ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        broker = f"mqtt://127.0.0.1:{listener.getsockname()[1]}"
        started = subprocess.Popen(
            [sys.executable, "-m", "paceline.cli", "status", "p", "--broker", broker],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "HOME": str(tmp_path)},
        )
        with started, listener.accept()[0]:
            started.send_signal(number)
            _, err = started.communicate(timeout=30)

    assert (started.returncode, err) == (130, "error: interrupted\n")


# --- options before the command


def test_shared_options_may_stand_before_the_command(capsys):
    """People put them where git and docker take them."""
    assert cli.run(["--site", "kitchen", "--json", "config", "show"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["site"]["value"] == "kitchen"


@given(
    st.lists(st.sampled_from([*VALUE_OPTIONS, *FLAG_OPTIONS]), max_size=4),
    st.lists(st.text(min_size=1).filter(lambda t: t != "--"), max_size=4),
)
def test_moving_options_loses_none_and_keeps_their_order(options, rest):
    """Whatever stands before the command stands behind it, with its value."""
    leading = [
        part for name in options for part in ([name, "v"] if name in VALUE_OPTIONS else [name])
    ]
    tokens = cli.with_options_last([*leading, "status", *rest])

    assert tokens == ["status", *rest, *leading]


def test_what_follows_two_dashes_stays_last():
    """Everything behind them is no option."""
    assert cli.with_options_last(["--json", "run", "--", "-x"]) == ["run", "--json", "--", "-x"]


def test_a_leading_option_without_its_value_is_left_to_the_parser():
    """It says what is missing better than we could."""
    assert cli.with_options_last(["--broker"]) == ["--broker"]


# --- commands that need no broker


def test_config_show_names_the_source_of_each_value(capsys, monkeypatch):
    """People see at once which of four places it was."""
    monkeypatch.setenv("PACELINE_ROOT", "fleet-1")

    assert cli.run(["config", "show", "--site", "kitchen"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["root", "fleet-1", "environment", "PACELINE_ROOT"] in rows
    assert ["site", "kitchen", "option", "--site"] in rows


def test_key_show_prints_only_the_public_half_on_stdout(capsys, tmp_path):
    """`paceline key show > deployer.pub` is a file that agents take."""
    assert cli.run(["key", "show"]) == 0

    out, err = capsys.readouterr()
    assert out.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert "PRIVATE" not in out + err
    assert str(tmp_path / ".config" / "paceline" / "signing.key") in err


def test_key_show_as_json_is_only_json(capsys):
    """The same key in a field."""
    assert cli.run(["key", "show", "--json"]) == 0

    out, err = capsys.readouterr()
    assert json.loads(out)["public_key"].startswith("-----BEGIN PUBLIC KEY-----")
    assert err == ""
