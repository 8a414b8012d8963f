"""``paceline verify``: what it exits with, and what it prints."""

import json

import numpy as np
import onnx
import pytest
import structlog

from fleet.formats import CutRequest
from fleet.split import split
from paceline import cli
from tests.unit.fleet.verify.models import (
    I32,
    dense,
    describe_again,
    near_ties,
    node,
    scaled,
    value,
)


@pytest.fixture
def cut(tmp_path, in_process):
    """Split a model; returns its path and the folder."""
    yield lambda model, **request: _cut(tmp_path, model, request)
    structlog.reset_defaults()


def _cut(tmp_path, model, request):
    path, folder = tmp_path / "model.onnx", tmp_path / "parts"
    onnx.save(model, path)
    split(path, folder, CutRequest(**{"balance": "flops", **request}))
    return path, folder


def damage(folder, name):
    """Change a segment's weights and make the manifest agree."""
    path = folder / "segments" / name / "segment.onnx"
    model = onnx.load(path, load_external_data=False)
    scaled(np.inf)(model)
    path.write_bytes(model.SerializeToString())
    describe_again(folder, name)


def answer(capsys, *arguments):
    """Run a command with `--json`; returns the exit code, the object and stderr."""
    code = cli.run([*map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    (line,) = out.splitlines()
    return code, json.loads(line), err


def test_three_sizes_are_verified_and_told(cut, real_children, capsys):
    """Without inputs of the user's; people get a table."""
    _, folder = cut(dense(), stages=2)

    assert cli.run(["verify", str(folder)]) == 0
    out, err = capsys.readouterr()

    rows = [line for line in out.splitlines() if "equal bit by bit" in line]
    assert [row.split()[2] for row in rows] == ["x[1,8]", "x[2,8]", "x[3,8]"]
    assert err == ""


def test_a_difference_exits_5_with_all_that_was_found(cut, capsys):
    """One object on stdout has the error and the report; infinity is null."""
    _, folder = cut(dense(), at=("b",))
    damage(folder, "01-tail")
    code, said, err = answer(capsys, "verify", folder)

    assert code == 5
    assert said["error"]["code"] == "outputs.differ"
    assert "tensor 'y' of stage 1 (01-tail), float32[1,4]" in said["error"]["message"]
    assert err.startswith("error: ")
    assert said["passes"] is False
    assert said["max_abs_diff"] is None
    assert [case["first_difference"]["tensor"] for case in said["cases"]] == ["y"] * 3
    assert said["first_difference"]["shape"] == [1, 4]
    assert said["first_difference"]["of"] == 4

    assert cli.run(["verify", str(folder)]) == 5
    out, err = capsys.readouterr()
    assert "y differs" in out
    assert err.count("\n") == 1


def test_ties_and_metrics_are_in_the_report(cut, capsys):
    """A tie does not make it exit 5, and has its evidence in numbers."""
    chooser = node("ArgMax", ["scores"], ["i"], axis=1), node("Cast", ["i"], ["y"], to=I32)
    _, folder = cut(near_ties(*chooser, outputs=[value("y", I32, None)]), at=("raw",))
    code, said, _ = answer(capsys, "verify", folder, "--metric", "top1")

    assert code == 0
    assert (said["metric"], said["score"]) == ("top1", 1.0)
    (tie,) = said["ties"]
    assert set(tie) == {"tensor", "count", "of", "largest_gap", "evidence"}
    assert tie["tensor"] == "y"


@pytest.fixture
def parts(cut, tmp_path, monkeypatch):
    """A split, and a folder of examples of which one is right."""
    _, folder = cut(dense(), stages=1)
    monkeypatch.chdir(tmp_path)
    for name, x in (("good", np.ones((3, 8), np.float32)), ("wide", np.ones((3, 9), np.float32))):
        np.savez(tmp_path / f"{name}.npz", x=x)
    np.savez(tmp_path / "objects.npz", x=np.array([{}], object))
    (tmp_path / "mixed").mkdir()
    for name in ("good", "wide"):
        (tmp_path / "mixed" / f"{name}.npz").write_bytes((tmp_path / f"{name}.npz").read_bytes())
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.onnx").write_bytes(near_ties(outputs=["scores"]).SerializeToString())
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    return folder


@pytest.mark.parametrize(
    ("arguments", "exit_code", "error", "named"),
    [
        (["--model", "none.onnx"], 3, "model.", "none.onnx"),
        (["--model", "junk.onnx"], 3, "model.", "junk.onnx"),
        (["--model", "other.onnx"], 2, "split.bad_request", "other.onnx"),
        (["--input", "none.npz"], 3, "model.bad_example", "none.npz"),
        (["--input", "wide.npz"], 3, "model.bad_example", "wide.npz: tensor 'x' is float32[3,9]"),
        (["--input", "objects.npz"], 3, "model.bad_example", "objects.npz"),
        (["--inputs", "empty"], 3, "model.bad_example", "holds no .npz file"),
        (["--inputs", "none"], 3, "model.bad_example", "none: is no folder"),
        (["--inputs", "good.npz"], 3, "model.bad_example", "good.npz: is no folder"),
        (["--inputs", "mixed"], 3, "model.bad_example", "mixed/wide.npz"),
        (["--metric", "psnr"], 3, "plugin.unknown", "add fleet/metrics/psnr.py"),
        (["--metric"], 2, "usage", "--metric"),
    ],
)
def test_what_is_wrong_is_named(parts, capsys, arguments, exit_code, error, named):
    """By file, with the exit code of its kind; nothing is run."""
    code, said, _ = answer(capsys, "verify", parts, *arguments)

    assert code == exit_code
    assert said["error"]["code"].startswith(error)
    assert named in said["error"]["message"]


def test_damaged_splits_are_named(parts, capsys):
    """A missing manifest, one that is none, a file that is missing or changed."""

    def refusal():
        code, said, _ = answer(capsys, "verify", parts)
        assert code == 3
        return said["error"]["code"], said["error"]["message"]

    segment = parts / "segments" / "00-whole" / "segment.onnx"
    segment.write_bytes(segment.read_bytes() + b"\0")
    assert refusal()[0] == "split.damaged"
    segment.unlink()
    assert "segment.onnx: cannot be read" in refusal()[1]
    (parts / "pipeline.json").write_text("{}")
    assert refusal()[0] == "manifest.malformed"
    (parts / "pipeline.json").unlink()
    assert "pipeline.json: cannot be read" in refusal()[1]


def test_a_folder_of_examples_is_verified(parts, tmp_path, capsys):
    """Beside a single one, where both are given."""
    (tmp_path / "mixed" / "wide.npz").unlink()
    single = tmp_path / "good.npz"
    code, said, _ = answer(
        capsys, "verify", parts, "--inputs", tmp_path / "mixed", "--input", single
    )

    assert code == 0
    assert [case["name"] for case in said["cases"]] == ["good.npz", "good.npz"]
