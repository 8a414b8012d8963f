"""``paceline pipeline compose``: what it exits with, and what it prints."""

import json

import numpy as np
import onnx
import pytest
import structlog
from onnx import helper, numpy_helper

from fleet import split_folder
from paceline import cli
from tests.fixtures.stages import onnx_conv, tflite_conv, tflite_relu


@pytest.fixture
def models(tmp_path, in_process):
    """A folder of stages."""
    onnx_conv(tmp_path / "a.onnx", 3, 4)
    tflite_conv(tmp_path / "b.tflite", 4, 8)
    yield tmp_path
    structlog.reset_defaults()


def compose(capsys, *arguments):
    """Run the command; returns the exit code, stdout and stderr."""
    code = cli.run(["pipeline", "compose", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_people_see_stages_and_adapters(models, capsys):
    """Both sides of each, what is done between them, and what to do next."""
    out = models / "mixed"

    code, said, _ = compose(capsys, models / "a.onnx", models / "b.tflite", "--output", out)

    assert code == 0
    for line in (
        "pipeline mixed, composed of 2 stages",
        "00-a > 01-b",
        "gives    y  float32[N,4,6,5]",
        "takes    x  float32[batch,6,5,4]",
        "adapter  transpose 0,2,3,1, in 00-a: equal to numpy bit by bit",
        f"Next: paceline verify {out}",
    ):
        assert line in said
    assert cli.run(["show", str(out)]) == 0
    shown = capsys.readouterr().out
    assert f"from {models / 'b.tflite'}" in shown
    assert "adapter: " in shown


def test_machines_get_all_of_it(models, capsys):
    """Contracts, steps and figures, in one object."""
    stages = models / "a.onnx", models / "b.tflite"
    options = ("--out", models / "mixed", "--name", "both", "--dim", "N=2", "--seed", 3)

    code, said, _ = compose(capsys, *stages, *options, "--json")

    found = json.loads(said)
    assert (code, found["pipeline"], len(found["digest"])) == (0, "both", 64)
    (joint,) = found["joints"]
    assert joint["steps"] == [{"kind": "transpose", "order": [0, 2, 3, 1]}]
    assert (joint["adapter_in"], joint["quanta_apart"], joint["matched_by"]) == (
        "00-a", 0.0, "position",
    )  # fmt: skip
    assert joint["wanted"]["shape"] == ["batch", 6, 5, 4]
    assert [stage["format"] for stage in found["stages"]] == ["onnx", "tflite"]


def test_an_example_is_taken(models, capsys):
    """As `split` takes it."""
    np.savez(models / "x.npz", x=np.ones((2, 3, 6, 5), np.float32))
    np.savez(models / "bad.npz", other=np.ones(2))
    stage, out = models / "a.onnx", models / "mixed"

    good, _, _ = compose(capsys, stage, "--out", out, "--input", models / "x.npz")
    bad, _, said = compose(capsys, stage, "--out", out, "--input", models / "bad.npz")

    assert (good, bad) == (0, 3)
    assert "no inputs ['other']" in said


def test_a_contract_that_cannot_be_adapted_ends_with_both_sides(models, capsys):
    """Exit code 3, one line, and what to do."""
    onnx_conv(models / "square.onnx", 8, 8, batch=1, sides=(8, 8))
    tflite_relu(models / "square.tflite", (1, 8, 8, 8), names=("in", "out"))
    stages = models / "square.onnx", models / "square.tflite"

    code, said, aside = compose(capsys, *stages, "--out", models / "mixed", "--json")

    assert (code, json.loads(said)["error"]["code"]) == (3, "compose.contract")
    assert aside.count("float32[1,8,8,8]") == 2
    assert "--layout 0:y=NCHW" in aside
    assert compose(capsys, *stages, "--out", models / "mixed", "--layout", "0:y=NCHW")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--layout", "y"], "is not NAME=LAYOUT"),
        (["--layout", "y=HWCN"], "is not NAME=LAYOUT"),
        (["--layout", "9:y=NCHW"], "no stage takes or gives that"),
        (["--seed", "-1"], "out of range"),
        (["--dim", "M=2"], "no such dynamic dimension"),
    ],
)
def test_options_that_say_nothing_are_refused(models, capsys, arguments, problem):
    """Exit code 2, and nothing is written."""
    code, _, said = compose(capsys, models / "a.onnx", "--out", models / "mixed", *arguments)

    assert code == 2
    assert problem in said
    assert not (models / "mixed").exists()


def test_no_stage_is_no_pipeline(models, capsys):
    """It is said as a matter of the command line."""
    code, _, said = compose(capsys, "--out", models / "mixed")

    assert (code, "none was given" in said) == (2, True)


def test_pictures_and_answers_are_said_as_for_a_split(models, capsys):
    """So that `run` takes a picture; blocks of other tensors are refused."""
    picture = {"input": "x", "width": 5, "height": 6}
    (models / "pre.json").write_text(json.dumps(picture))
    (models / "post.json").write_text(json.dumps({"kind": "labels", "output": "none"}))
    stages, out = (models / "a.onnx", models / "b.tflite"), models / "mixed"

    code, _, _ = compose(capsys, *stages, "--out", out, "--preprocess", models / "pre.json")
    made = split_folder.read(out)
    wrong, _, said = compose(capsys, *stages, "--out", out, "--postprocess", models / "post.json")

    assert (code, made.preprocess.input, made.inputs[0].layout) == (0, "x", "NCHW")
    assert made.edges[0].tensors == made.inputs
    assert (wrong, "has no output 'none'" in said) == (2, True)


def test_outputs_too_far_from_the_references_are_refused(models, capsys):
    """Exit code 5, and nothing is written; a bound without a reference is no bound."""
    stages, out = (models / "a.onnx", models / "b.tflite"), models / "mixed"
    onnx_conv(models / "b.onnx", 4, 8)
    compose(capsys, models / "a.onnx", models / "b.onnx", "--out", models / "one")
    whole = models / "one" / "segments" / "00-a" / "segment.onnx"
    options = ("--out", out, "--reference", whole)

    near, said, _ = compose(capsys, models / "a.onnx", *options, "--max-abs", "0")
    (models / "mixed").rename(models / "kept")
    write_bias(models / "far.onnx", whole)
    far, _, aside = compose(
        capsys,
        models / "a.onnx",
        "--out",
        out,
        "--reference",
        models / "far.onnx",
        "--max-abs",
        "0.1",
    )
    none, _, said_none = compose(capsys, *stages, "--out", out, "--max-abs", "1")

    assert (near, "max abs 0, relative L2 0" in said) == (0, True)
    assert (far, "max abs 1 (at most 0.1)" in aside) == (5, True)
    assert (none, "--reference" in said_none) == (2, True)
    assert not out.exists()


def write_bias(path, like):
    """Write a model that gives what another one gives, and 1 more."""
    model = onnx.load(like)
    (output,) = model.graph.output
    for node in model.graph.node:
        node.output[:] = ["before" if name == output.name else name for name in node.output]
    model.graph.initializer.append(numpy_helper.from_array(np.float32(1), "one"))
    model.graph.node.append(helper.make_node("Add", ["before", "one"], [output.name]))
    onnx.save(model, path)
