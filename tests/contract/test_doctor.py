"""Every group of the doctor's checks, found by itself, keeps the promise of its package."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

from agent import doctor_child
from agent.examination.subject import Subject
from agent.supervisor import doctor as supervised
from wire import plugins

NAMES = plugins.names("agent.doctor")
ROOT = Path(__file__).parents[2]
ID = re.compile(r"[a-z]+\.[a-z_]+")
TOLD = re.compile(r'\b(?:ok|note|warning|problem)\(\s*"([a-z_]+\.[a-z_]+)"')
ROWS = re.compile(r"^\| `([a-z_.]+)`", re.MULTILINE)


def subjects(folder):
    """Return this machine with an agent whose broker is not there, and one that has nothing."""
    nowhere = {"broker.url": "mqtt://127.0.0.1:9", "state_folder": str(folder / "state")}
    here = doctor_child.subject_of(None, {}, nowhere, has_agent=True)
    return here, Subject(root=folder, has_agent=True, environ={}, search_path=[])


def test_the_shipped_groups_are_there():
    """The tests below have something to test."""
    assert {"python", "packages", "broker", "clock", "disk", "memory", "service"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_group_finds_something_or_is_silent(name, tmp_path):
    """On any machine, also one without /proc and one whose configuration is broken."""
    group = plugins.load("agent.doctor", name)
    assert group.title
    assert inspect.getdoc(group.findings)
    patient = dataclasses.replace(group, limit_seconds=600.0)

    for subject in subjects(tmp_path):
        for finding in doctor_child.run(name, patient, subject):
            assert ID.fullmatch(finding.id)
            assert finding.id != "doctor.check_failed", finding.evidence
            assert finding.evidence
            assert finding.fix or finding.severity in {"ok", "note"}


@pytest.mark.parametrize("name", NAMES)
def test_a_group_imports_no_runtime_and_no_numpy(name):
    """The doctor must be able to say that numpy itself is broken."""
    source = (ROOT / "agent" / "doctor" / f"{name}.py").read_text()

    assert not re.search(r"^\s*(import|from) (numpy|onnxruntime)\b", source, re.MULTILINE)


def test_every_id_has_a_row_in_the_manual():
    """And every row an id: docs/doctor.md is where a reader of `--json` looks."""
    sources = [*(ROOT / "agent" / "doctor").glob("*.py"), ROOT / "agent" / "doctor_child.py"]
    told = {found for file in sources for found in TOLD.findall(file.read_text())}

    assert told | {supervised.DEGRADED} == set(
        ROWS.findall((ROOT / "docs" / "doctor.md").read_text())
    )
