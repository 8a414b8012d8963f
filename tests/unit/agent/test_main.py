"""The agent's command line: configuration shown, errors as sentences, children found."""

import json
import os
import re
import subprocess
import sys

import pytest

from agent.__main__ import CHILD_COMMANDS, DOCTOR, LINK, main


def test_show_config_prints_every_value_with_its_source(tmp_path, capsys):
    """An option beats the file, and the output says so."""
    config = tmp_path / "agent.yaml"
    config.write_text("device: from-file\n")

    status = main(["--config", str(config), "--device", "from-option", "--show-config"])
    rows = json.loads(capsys.readouterr().out)

    assert status == 0
    assert "from-option" in json.dumps(rows)


@pytest.mark.parametrize(
    "content", ["device: Not An Id\n", "devise: d1\n", "device: [1\n", None], ids=str
)
def test_a_bad_configuration_is_one_sentence_and_exit_3(tmp_path, capsys, content):
    """No traceback: what is wrong, where, and status 3."""
    config = tmp_path / "agent.yaml"
    if content is not None:
        config.write_text(content)

    status = main(["--config", str(config), "--show-config"])
    told = capsys.readouterr()

    assert status == 3
    assert told.err.startswith("error: ")
    assert "Traceback" not in told.err
    assert told.out == ""


def test_unknown_options_are_usage_errors(capsys):
    """Status 2, as everywhere."""
    with pytest.raises(SystemExit) as ended:
        main(["--nonsense"])

    assert ended.value.code == 2
    assert "--nonsense" in capsys.readouterr().err


def test_help_has_an_example(capsys):
    """Whoever asks for help sees a line that works."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    assert ended.value.code == 0
    assert "paceline-agent --config configs/x86.yaml" in capsys.readouterr().out


@pytest.mark.parametrize("command", CHILD_COMMANDS)
def test_child_commands_are_the_childrens(command, capsys):
    """Each has a help of its own."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    assert ended.value.code == 0
    assert command in capsys.readouterr().out


def test_a_held_state_folder_is_named(tmp_path):
    """Two agents with one folder: the second says whose fault it is, with status 3."""
    from agent import durable

    state = tmp_path / "state"
    state.mkdir()
    config = tmp_path / "agent.yaml"
    config.write_text(f"device: d1\nstate_folder: {state}\nbroker: {{url: 'mqtt://127.0.0.1:9'}}\n")
    held = durable.hold(state)

    ended = subprocess.run(
        [sys.executable, "-I", "-m", "agent", "--config", str(config)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert held is not None
    os.close(held)
    assert (ended.returncode, "another agent is using it" in ended.stderr) == (3, True)


@pytest.mark.parametrize("command", [*CHILD_COMMANDS, DOCTOR, LINK])
def test_every_child_command_says_what_each_option_does(command, capsys):
    """Without reading stdin; an option without a word beside or below it is none to use."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    told = capsys.readouterr().out.partition("\noptions:\n")[2]
    options = re.split(r"\n  (?=-)", "\n" + told)[1:]

    assert ended.value.code == 0
    assert [one for one in options if not re.search(r"\S(  +|\n {6,})\S", one)] == []
