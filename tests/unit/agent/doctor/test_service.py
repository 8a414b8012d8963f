"""The unit, as systemd tells of it."""

import pytest

from agent.doctor import service
from tests.unit.agent.doctor.machines import machine, program, severities, the

RUNS = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
    "NRestarts": "0",
    "FragmentPath": "/etc/systemd/system/paceline-agent.service",
}


def seen(root, unit, *, exposure="1.4"):
    """Return what is found where `systemctl show` and `systemd-analyze` say this."""
    said = "".join(f"{key}={value}\n" for key, value in unit.items())
    program(root, "systemctl", said)
    score = f"→ Overall exposure level for paceline-agent.service: {exposure} OK :-)\n"
    program(root, "systemd-analyze", score)
    files = {"etc/systemd/system/paceline-agent.service": service.shipped_unit()}
    return list(service.findings(machine(root, files)))


def test_the_shipped_unit_that_runs_is_well(tmp_path):
    """Installed, running, hardened, and no other than ours."""
    assert severities(seen(tmp_path, RUNS)) == {
        "service.installed": "ok",
        "service.running": "ok",
        "service.hardened": "ok",
    }


@pytest.mark.parametrize(
    ("change", "finding", "severity"),
    [
        ({"ActiveState": "failed", "Result": "exit-code"}, "service.running", "problem"),
        ({"UnitFileState": "disabled"}, "service.enabled", "warning"),
        ({"NRestarts": "12"}, "service.restarts", "warning"),
    ],
)
def test_a_unit_that_does_not_run_well_is_told(tmp_path, change, finding, severity):
    """With where its log is."""
    found = the(seen(tmp_path, RUNS | change), finding)

    assert (found.severity, "paceline-agent" in found.fix) == (severity, True)


def test_a_unit_that_was_opened_is_told(tmp_path):
    """As systemd scores it."""
    found = the(seen(tmp_path, RUNS, exposure="6.7"), "service.hardened")

    assert (found.severity, "6.7" in found.evidence) == ("warning", True)


def test_a_unit_of_another_version_is_told(tmp_path):
    """Comments do not count."""
    shipped = service.shipped_unit()

    assert list(service.differs("# mine\n" + shipped, shipped)) == []
    (found,) = service.differs(shipped.replace("Restart=always", "Restart=no"), shipped)
    assert (found.id, "2 lines differ" in found.evidence) == ("service.differs", True)


def test_no_unit_and_no_systemd_are_told_apart(tmp_path):
    """A container has no systemd; a laptop has it and no unit."""
    assert severities(service.findings(machine(tmp_path))) == {"service.systemd": "note"}
    assert severities(seen(tmp_path, {"LoadState": "not-found"})) == {"service.installed": "note"}
