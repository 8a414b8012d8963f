"""``paceline simulate``: what it takes, prints and exits with."""

import json
import os
from xml.etree import ElementTree

import pytest

from paceline import cli

CLUSTER = {
    "ops": [
        {
            "name": f"op{n}",
            "seconds": {"pi-1": 0.02, "pi-2": 0.01},
            "weight_bytes": 1000,
            "activation_bytes": 10,
            "out_bytes": 20_000,
        }
        for n in range(4)
    ],
    "devices": [{"id": "pi-1", "memory_bytes": 3500}, {"id": "pi-2", "memory_bytes": 3500}],
    "links": [
        {"from": a, "to": b, "latency_seconds": 0.001, "bytes_per_second": 1e7}
        for a, b in (("pi-1", "pi-2"), ("pi-2", "pi-1"))
    ],
    "source": "pi-1",
    "sink": "pi-1",
    "input_bytes": 100_000,
    "output_bytes": 1000,
}


@pytest.fixture
def paceline(tmp_path, monkeypatch, capsys):
    """Give a function that runs a command where the cluster's file is."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cluster.json").write_text(json.dumps(CLUSTER))

    def run(*words):
        code = cli.run(list(words))
        return code, *capsys.readouterr()

    return run


def test_what_plan_prints_can_be_simulated(paceline, tmp_path):
    """It holds its problem; an instance alone is planned first, and gives the same."""
    _, plan, _ = paceline("plan", "--instance", "cluster.json", "--json")
    (tmp_path / "plan.json").write_text(plan)

    code, out, _ = paceline("simulate", "plan.json", "--frames", "200", "--json")
    _, of_instance, _ = paceline("simulate", "cluster.json", "--frames", "200", "--json")

    found = json.loads(out)
    assert code == 0
    assert found == json.loads(of_instance)
    assert found["stages"] == json.loads(plan)["stages"]
    objective = json.loads(plan)["objective_seconds"]
    rate = found["steady"]["frames_per_second"]["value"]
    assert rate == pytest.approx(1 / objective, rel=0.01)
    assert found["account"]["submitted"] == 200 + found["account"]["in_flight"]


def test_people_see_what_the_others_wait_for(paceline):
    """Devices and links in the way of a frame, and the account."""
    code, out, _ = paceline("simulate", "cluster.json", "--set", "pi-2.speed=0.1")

    assert code == 0
    assert "frames/s" in out
    assert "latency: median" in out
    slowest = next(line for line in out.splitlines() if "the others wait for it" in line)
    assert slowest.startswith("pi-2")
    assert "2008 submitted = 2000 results + 0 errors + 0 drops + 8 in flight" in out


def test_the_picture_is_well_formed_whatever_devices_are_called(paceline, tmp_path):
    """Names are text there."""
    text = json.dumps(CLUSTER).replace("pi-2", "<b>&pi>2")
    (tmp_path / "cluster.json").write_text(text)

    code, _, err = paceline("simulate", "cluster.json", "--frames", "100", "--svg", "steady.svg")

    assert (code, "drawn in steady.svg" in err) == (0, True)
    drawn = ElementTree.parse(tmp_path / "steady.svg").getroot()
    assert any(text.text == "<b>&pi>2" for text in drawn.iter())


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["--set", "pi-3.speed=2"], 2, "simulate.bad_change"),
        (["--kill", "pi-1@1s"], 2, "simulate.bad_change"),
        (["--frames", "5"], 2, "usage"),
        (["--window", "0"], 2, "usage"),
        (["--rate", "-1"], 2, "usage"),
        (["--policy", "drop_oldest"], 2, None),
        (["--svg", "picture.png"], 2, None),
        (["--goal", "energy"], 2, "plan.goal_unsupported"),
        (["--svg", "nowhere/picture.svg", "--frames", "100"], 3, "show.svg_unwritable"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(paceline, words, code, error):
    """With the exit code of its kind."""
    found, out, _ = paceline("simulate", "cluster.json", *words, "--json")

    assert found == code
    assert error in (None, json.loads(out)["error"]["code"])


@pytest.mark.parametrize(
    ("text", "code", "error"),
    [
        ("[]", 3, "simulate.bad_plan"),
        ('{"stages": []}', 3, "simulate.bad_plan"),
        ('{"stages": 1, "problem": ' + json.dumps(CLUSTER) + "}", 3, "simulate.bad_plan"),
        ('{"stages": [], "problem": ' + json.dumps(CLUSTER) + "}", 4, "simulate.infeasible"),
        ('{"stages": [], "problem": {}}', 3, "plan.bad_instance"),
        ("{", 3, "plan.bad_instance"),
        (json.dumps({**CLUSTER, "links": []}), 4, "simulate.infeasible"),
        (
            json.dumps({"stages": [{"device": "pi-1", "first": 0, "last": 3}], "problem": CLUSTER}),
            4,
            "plan.does_not_fit",
        ),
    ],
)
def test_files_that_are_no_plan_are_refused(paceline, tmp_path, text, code, error):
    """As neither plan nor instance, or as one that does not fit."""
    (tmp_path / "other.json").write_text(text)

    found, out, _ = paceline("simulate", "other.json", "--json")

    assert (found, json.loads(out)["error"]["code"]) == (code, error)


def test_a_plan_may_come_from_a_pipe(paceline):
    """It is read once."""
    _, plan, _ = paceline("plan", "--instance", "cluster.json", "--json")
    reads, writes = os.pipe()
    try:
        os.write(writes, plan.encode())
        os.close(writes)
        code, _, err = paceline("simulate", f"/dev/fd/{reads}", "--frames", "100", "--json")
    finally:
        os.close(reads)

    assert code == 0, err
