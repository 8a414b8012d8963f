"""``paceline fleet``."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleet.profiles import kept, store, subject
from paceline import cli
from paceline.fleet_view import rate_text
from tests.system.chains import write_model
from tests.unit.fleet.profiles.link_records import link
from tests.unit.fleet.profiles.records import profile

EXAMPLE = Path(__file__).parents[3] / "configs" / "fleet.yaml"


def test_a_fleet_is_shown(capsys):
    """Devices, links, and what is not known."""
    code = cli.run(["fleet", "show", str(EXAMPLE)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]

    assert code == 0
    assert lines[1] == ["pi-1", "measured", "7.0", "GiB", "18.6", "GiB", "8", "W"]
    assert ["jetson-1", "4", "x", "pi-1", "6.0", "GiB", "?", "15", "W"] in lines
    assert ["pi-1", ">", "pi-2", "any", "940", "Mbit/s", "300", "us", "?", "?"] in lines


def test_what_was_measured_is_marked(tmp_path, capsys, monkeypatch):
    """Beside what is described, and goes behind it; of this site and this model alone."""
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path))
    model = tmp_path / "m.onnx"
    write_model(model, rows=1, width=8, layers=1)
    ref = subject.identified(model)
    for device, watts in (("pi-1", 5.0), ("jetson-1", 11.0)):
        made = profile(device=device)
        given = made.parts[0]
        report = replace(given.report, watts=watts, storage_bytes=1 << 30)
        question = replace(made.question, model=ref.sha256)
        parts = (replace(given, report=report),)
        store.keep(tmp_path / "profiles", replace(made, question=question, model=ref, parts=parts))
    wan = link("jetson-1", "pi-2")
    kept.write(tmp_path / "profiles", "links-x.json", wan)
    code = cli.run(["fleet", "show", str(EXAMPLE), "--model", str(model)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]

    assert code == 0
    assert lines[1][-2:] == ["8", "W"]
    assert ["jetson-1", "4", "x", "pi-1", "6.0", "GiB", "1.0", "GiB", "·", "15", "W"] in lines
    found = next(line for line in lines if line[:3] == ["jetson-1", ">", "pi-2"])
    assert found[3:] == ["tcp", "800", "Mbit/s", "·", "500", "us", "·", "500", "us", "·", "?"]


def test_all_that_is_wrong_is_printed(tmp_path, capsys):
    """One a line, with exit code 3; nothing is wrong with the example."""
    (tmp_path / "fleet.yaml").write_text("devices: {a: {memry: 1, watts: 0}}")
    code = cli.run(["fleet", "validate", str(tmp_path / "fleet.yaml")])
    lines = capsys.readouterr().out.splitlines()
    fine = cli.run(["fleet", "validate", str(EXAMPLE), "--json"])

    assert (code, fine, len(lines)) == (3, 0, 2)
    assert "did you mean memory?" in lines[0]
    assert json.loads(capsys.readouterr().out)["problems"] == []
    assert cli.run(["fleet", "show", str(tmp_path / "fleet.yaml")]) == 3


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (117.5e6, "940 Mbit/s"),
        (1.25e9, "10 Gbit/s"),
        (125, "1 kbit/s"),
        (1, "8 bit/s"),
    ],
)
def test_rates(rate, text):
    """In bits, as networks are sold."""
    assert rate_text(rate) == text
