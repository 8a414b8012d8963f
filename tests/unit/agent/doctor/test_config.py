"""The agent's configuration."""

import pytest

from agent.doctor import config
from agent.examination.subject import Subject
from tests.unit.agent.doctor.machines import configured, severities, the
from wire import signing


def test_a_problem_is_told_with_file_and_line(tmp_path):
    """And with what would be right."""
    subject = configured(tmp_path, "device: d1\nbroker:\n  ulr: mqtt://x\n")

    found = the(config.findings(subject), "config.valid")

    assert found.severity == "problem"
    assert f"{tmp_path}/agent.yaml:3: broker.ulr" in found.evidence
    assert found.fix == "did you mean url?"


def test_a_whole_configuration_is_well(tmp_path):
    """Its files can be read and somebody is trusted."""
    key = signing.private_key(signing.new_private_key(), "a test")
    (tmp_path / "trusted.pub").write_bytes(signing.public_pem(key))
    (tmp_path / "password").write_text("x")
    (tmp_path / "password").chmod(0o600)
    text = "broker: {password_file: password}\ntrust: {keys: [trusted.pub]}\n"

    found = severities(config.findings(configured(tmp_path, text)))

    assert found == {"config.valid": "ok", "config.files": "ok", "config.trust": "ok"}


def test_what_is_missing_and_open_is_told(tmp_path):
    """No key is trusted, a certificate is no file, a password is everybody's."""
    (tmp_path / "password").write_text("x")
    (tmp_path / "password").chmod(0o644)
    text = "broker: {password_file: password, ca_file: ca.pem}\n"

    found = list(config.findings(configured(tmp_path, text)))

    assert severities(found) == {
        "config.valid": "ok",
        "config.files": "problem",
        "config.trust": "problem",
        "config.secrets": "warning",
    }
    assert f"{tmp_path}/agent.yaml:1: broker.ca_file" in the(found, "config.files").evidence
    assert the(found, "config.secrets").fix == f"chmod 600 {tmp_path}/password"


def test_variables_that_set_nothing_are_noted(tmp_path):
    """They are other programs', or slips."""
    subject = configured(tmp_path, "", environ={"PACELINE_BROKER_ULR": "x"})

    assert "PACELINE_BROKER_ULR" in the(config.findings(subject), "config.environment").evidence


def test_a_machine_without_an_agent_is_said_to_be_one():
    """Then nothing of an agent is looked at."""
    (found,) = config.findings(Subject(has_agent=False))

    assert (found.id, found.severity) == ("config.agent", "note")


@pytest.mark.parametrize("name", ["STATE_DIRECTORY", "CREDENTIALS_DIRECTORY"])
def test_an_installed_agents_configuration_is_read_as_its_unit_reads_it(tmp_path, name):
    """The unit sets where the state and the credentials are; the doctor is called by hand."""
    from agent import doctor_child
    from agent.examination.subject import CONFIG_FILE, CREDENTIALS, STATE_FOLDER

    (tmp_path / CREDENTIALS).mkdir(parents=True)
    (tmp_path / STATE_FOLDER).mkdir(parents=True)
    file = tmp_path / CONFIG_FILE
    file.touch()
    subject = doctor_child.subject_of(file, {}, {}, has_agent=True, root=tmp_path)

    folders = {"STATE_DIRECTORY": STATE_FOLDER, "CREDENTIALS_DIRECTORY": CREDENTIALS}
    assert subject.environ[name] == str(tmp_path / folders[name])
    assert subject.config.state_folder == tmp_path / STATE_FOLDER
