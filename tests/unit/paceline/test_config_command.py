"""``paceline config show|validate``, of an agent's file and of the command line's own settings."""

import json

import pytest

from paceline import cli


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a function that runs a command with ``--json``; gives its code and answer."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "PACELINE_CONFIG", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments):
        code = cli.run([*map(str, arguments), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_an_agents_file_is_shown_with_its_drop_ins(run, tmp_path):
    """As the agent itself reads it."""
    (tmp_path / "agent.yaml").write_text("site: a\nroot: r\n")
    (tmp_path / "agent.d").mkdir()
    (tmp_path / "agent.d" / "x.yaml").write_text("site: b\n")
    code, shown = run("config", "show", tmp_path / "agent.yaml")

    assert code == 0
    source = f"{tmp_path}/agent.d/x.yaml:1"
    assert shown["settings"]["site"] == {"value": "b", "source": source}
    assert shown["settings"]["root"]["source"] == f"{tmp_path}/agent.yaml:2"


def test_everything_wrong_with_an_agents_file_is_told_at_once(run, tmp_path):
    """Values, files and what is wrong together; each with its line, and exit code 3."""
    file = tmp_path / "agent.yaml"
    file.write_text("sight: a\nbroker: {url: 'mqtt://far'}\ntrust:\n  keys: [/nowhere.pub]\n")
    code, found = run("config", "validate", file)

    assert (code, found["file"]) == (3, str(file))
    assert [(p["code"], p["message"].split(":")[1]) for p in found["problems"]] == [
        ("config.unknown_key", "1"),
        ("config.insecure", "2"),
        ("config.file_unusable", "4"),
    ]


def test_credentials_are_looked_for_where_the_installer_puts_them(run, tmp_path):
    """Outside the unit nobody sets $CREDENTIALS_DIRECTORY."""
    file = tmp_path / "agent.yaml"
    file.write_text("broker: {url: 'mqtt://far', password_file: 'credential:broker.password'}\n")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "broker.password").write_text("secret")
    code, found = run("config", "validate", file)

    assert (code, found["problems"]) == (0, [])
    assert "unencrypted" in found["warnings"][0]


def test_a_file_that_is_missing_is_a_problem_like_others(run, tmp_path):
    """Its path, and what to do."""
    code, found = run("config", "validate", tmp_path / "none.yaml")

    assert code == 3
    assert found["problems"][0]["message"].startswith(f"{tmp_path}/none.yaml: cannot be read")


def test_own_settings_are_validated_with_the_files_they_name(run, tmp_path):
    """Before a command fails for it."""
    folder = tmp_path / ".config" / "paceline"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("broker:\n  client_key_file: none.key\n")
    code, found = run("config", "validate")

    assert code == 3
    assert found["problems"][0]["message"].startswith(f"{folder}/none.key: cannot be read")
