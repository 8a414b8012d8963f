"""``paceline plan``: what it prints and exits with."""

import json

import pytest

from paceline import cli
from tests.unit.fleet.planner.test_instance import GOOD

FIELDS = {
    "feasible", "optimal", "gap", "objective_seconds", "stages", "verdict", "single_device_seconds",
    "planning_seconds",
}  # fmt: skip


@pytest.fixture
def plan(tmp_path, monkeypatch, capsys):
    """Give a function that plans an instance and returns exit code, stdout and stderr."""
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(instance, *more):
        file = tmp_path / "instance.json"
        file.write_text(json.dumps(instance))
        code = cli.run(["plan", "--instance", str(file), *more])
        return code, *capsys.readouterr()

    return run


def test_an_answer_has_the_fields_that_other_programs_read(plan):
    """The chain of two runs on d0, then on d1, whose result goes back to d0."""
    links = [*GOOD["links"], {**GOOD["links"][0], "from": "d1", "to": "d0"}]

    code, out, _ = plan({**GOOD, "links": links}, "--goal", "throughput", "--json")

    answer = json.loads(out)
    assert code == 0
    assert answer.keys() >= FIELDS
    assert answer["stages"] == [
        {"device": "d0", "first": 0, "last": 0},
        {"device": "d1", "first": 1, "last": 1},
    ]
    assert answer["objective_seconds"] == pytest.approx(1.0)
    assert answer["single_device_seconds"] == pytest.approx(1.03)
    assert (answer["feasible"], answer["optimal"], answer["gap"]) == (True, True, 0.0)
    assert answer["verdict"] == "split"


def test_people_get_the_stages_and_what_is_slowest(plan):
    """In the way of a frame."""
    links = [*GOOD["links"], {**GOOD["links"][0], "from": "d1", "to": "d0"}]

    code, out, _ = plan({**GOOD, "links": links})

    assert code == 0
    assert "verdict: split" in out
    assert "d0 → d1" in out
    assert next(line for line in out.splitlines() if "slowest" in line).startswith("d1")


def test_what_does_not_fit_exits_with_4_and_says_what_would_help(plan):
    """No link leads back to the sink."""
    code, out, _ = plan(GOOD, "--goal", "latency", "--json")

    answer = json.loads(out)
    assert code == 4
    assert (answer["feasible"], answer["verdict"], answer["stages"]) == (False, "infeasible", [])
    assert answer["shortage"]["nearest_change"] == "make a link from d1 to d0"

    code, out, _ = plan(GOOD, "--goal", "latency")

    assert code == 4
    assert "nearest change: make a link from d1 to d0" in out


@pytest.mark.parametrize(
    ("more", "code", "error"),
    [
        (["--goal", "energy"], 2, "plan.goal_unsupported"),
        (["--goal", "cost"], 2, "plan.goal_unsupported"),
        (["--goal", "beauty"], 2, "usage"),
        (["--policy", "best"], 3, "plugin.unknown"),
        (["model.onnx"], 2, "plan.bad_request"),
        (["--max-stages", "1"], 2, "plan.bad_request"),
        (["--svg", "plan.svg"], 2, "plan.bad_request"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(plan, more, code, error):
    """With the exit code of its kind."""
    found, out, _ = plan(GOOD, *more, "--json")

    assert (found, json.loads(out)["error"]["code"]) == (code, error)


def test_bad_instances_exit_with_3(plan):
    """And name the file and the place."""
    code, _, err = plan({**GOOD, "source": "d9"})

    assert code == 3
    assert "instance.json: source: 'd9' is no device of this file" in err


def test_nothing_to_plan_says_what_to_give(capsys):
    """Neither a model nor an instance."""
    assert cli.run(["plan"]) == 2

    assert "give a MODEL, or an --instance FILE" in capsys.readouterr().err
