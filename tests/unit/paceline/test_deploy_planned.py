"""``paceline deploy --plan``: what it tells a deploy, and what is refused beforehand."""

import contextlib
import io
import json

import msgspec
import pytest

from fleet import split_folder
from fleet.control import from_plan
from fleet.control.deploy_errors import PlanMismatchError
from fleet.deploy_options import DeployOptions
from paceline import cli
from tests.system.chains import write_model
from tests.unit.paceline import test_plan_model as plans

place = plans.place
SPLIT_PINS = ("--pin", "m0=pi-1", "--pin", "y=pi-2")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A folder with ``plan.json``, of two stages, and the model cut as planned, ``parts``."""
    folder = tmp_path_factory.mktemp("planned")
    model = folder / "chain.onnx"
    write_model(model, rows=plans.ROWS, width=plans.WIDTH, layers=plans.LAYERS)
    for device in ("pi-1", "pi-2"):
        plans.keep(folder, device, 0.060)
    (folder / "fleet.yaml").write_text(plans.FLEET)
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        patch.setenv("PACELINE_CACHE", str(folder / "cache"))
        patch.setenv("PACELINE_BROKER_URL", "mqtt://127.0.0.1:1")  # nobody is there
        patch.chdir(folder)
        assert cli.run(["plan", str(model), "--fleet", "fleet.yaml", *SPLIT_PINS, "--json"]) == 0
        (folder / "plan.json").write_text(said.getvalue())
        assert cli.run([*json.loads(said.getvalue())["next"][0].split()[1:], "--json"]) == 0
    return folder


def refused(parts, capsys, *options):
    """Return the exit code, and what is said, of a deploy that needs no broker to be refused."""
    code = cli.run(["deploy", str(parts / "parts"), *options, "--json"])
    return code, json.loads(capsys.readouterr().out)["error"]


def test_a_plan_says_what_a_deploy_is_told(parts):
    """Devices, and what is between them, are those of the printed command; the cuts are checked."""
    plan = from_plan.read(parts / "plan.json")

    assert plan.options == DeployOptions(to="pi-1,pi-2")
    assert plan.next[1] == f"paceline deploy parts {plan.options.text}"
    from_plan.check(parts / "plan.json", plan, split_folder.read(parts / "parts"))


@pytest.mark.parametrize(
    ("link", "options", "told"),
    [
        ("tcp, bandwidth: 20Mbit", (), "--codec 0=int8_channel+zstd --link tcp"),
        ("uds, bandwidth: 9999Mbit", ("--codec", "raw"), "--link uds"),
    ],
)
def test_codecs_and_links_are_part_of_it(place, capsys, link, options, told):
    """What the hops between the stages have; how frames enter and leave is not."""
    text = plans.FLEET.replace("940Mbit,0.3ms", f"{{link: {link}, latency: 1ms}}")
    (place / "fleet.yaml").write_text(text.partition("source:")[0])

    found = plans.planned(place, capsys, *SPLIT_PINS, *options)

    assert found["next"][1] == f"paceline deploy parts --to pi-1,pi-2 {told}"


@pytest.mark.parametrize("options", [("--to", "a,b"), ("--codec", "fp16"), ("--link", "tcp")])
def test_what_a_plan_says_cannot_be_said_beside_it(parts, capsys, options):
    """It would be a contradiction; and without either nobody says where to."""
    code, error = refused(parts, capsys, "--plan", str(parts / "plan.json"), *options)

    assert code == 2
    assert "is what --plan says" in error["message"]
    assert refused(parts, capsys)[0] == 2


def test_another_model_and_other_cuts_are_refused(parts):
    """Both are named, and the command that cuts as planned."""
    plan, made = from_plan.read(parts / "plan.json"), split_folder.read(parts / "parts")
    other = msgspec.structs.replace(made.model, sha256="f" * 64)
    whole = (*made.edges[:1], *made.edges[2:])
    for wrong, said in (
        (msgspec.structs.replace(made, model=other), r"of chain.onnx \(ffffffffffff\)"),
        (msgspec.structs.replace(made, edges=whole), "the folder cut at no tensor"),
    ):
        with pytest.raises(PlanMismatchError, match=f"{said}; cut as planned: paceline split"):
            from_plan.check(parts / "plan.json", plan, wrong)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        (None, "plan.bad_instance"),
        ([], "deploy.bad_plan"),
        ({"verdict": "split", "stages": []}, "deploy.bad_plan"),
        ({"verdict": "infeasible", "chosen": None}, "deploy.bad_plan"),
        ({"verdict": "split", "chosen": {}}, "deploy.bad_plan"),
        ("blocks", "deploy.bad_plan"),
        ("cuts", "deploy.other_plan"),
    ],
)
def test_what_is_no_plan_of_the_folder_is_refused(parts, tmp_path, capsys, changed, code):
    """No JSON, something else, of an instance, nothing that fits, a block too few, another cut."""
    plan = json.loads((parts / "plan.json").read_text())
    if changed == "blocks":
        changed = {**plan, "blocks": []}
    elif changed == "cuts":
        changed = {**plan, "blocks": [{**block, "cut": ["elsewhere"]} for block in plan["blocks"]]}
    file = tmp_path / "plan.json"
    file.write_text("{" if changed is None else json.dumps(changed))

    said, error = refused(parts, capsys, "--plan", str(file))

    assert (said, error["code"]) == (3, code)
