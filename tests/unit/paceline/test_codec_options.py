"""Codecs and bounds on the command line: what `verify` shows, and what `deploy` refuses."""

import json

import onnx
import pytest
import structlog

from fleet.formats import CutRequest
from fleet.split import split
from paceline import cli
from tests.unit.fleet.verify.models import dense

pytestmark = pytest.mark.usefixtures("in_process")

NO_BROKER = ["--ca-file", "/nowhere.pem"]
"""Ends a command where it would connect."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a model in two segments."""
    place = tmp_path_factory.mktemp("split")
    onnx.save(dense(), place / "model.onnx")
    split(place / "model.onnx", place / "parts", CutRequest(balance="flops", at=("b",)))
    return place / "parts"


@pytest.fixture(autouse=True)
def quiet():
    """Put the logs back that a command sets up."""
    yield
    structlog.reset_defaults()


def test_codecs_are_compared_with_raw_edges(folder, capsys, real_children):
    """A line for each, and a warning that inputs of ours say little."""
    assert cli.run(["verify", str(folder), "--codec", "fp16,int8_token"]) == 0
    out, err = capsys.readouterr()

    assert [line.split()[:4] for line in out.splitlines()[3:5]] == [
        ["fp16", "0", "→", "1"],
        ["int8_token", "0", "→", "1"],
    ]
    assert "weak evidence" in out
    assert err == ""


def test_a_codec_beyond_a_bound_exits_5(folder, capsys):
    """One object has the error and every figure."""
    options = ["--codec", "int8_tensor", "--max-relative-l2", "1e-9", "--json"]
    code = cli.run(["verify", str(folder), *options])
    out, err = capsys.readouterr()
    found = json.loads(out)

    assert (code, found["error"]["code"], found["passes"]) == (5, "codec.refused", False)
    assert found["codecs"][0]["edges"][0]["edge"] == "0"
    assert "most of it by edge 0" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--max-abs", "1"], "--max-abs: is for what codecs do"),
        (["--codec", "fp16", "--metric", "top1"], "--metric: has no part"),
        (["--codec", "fp16", "--model", "m.onnx"], "--model: has no part"),
    ],
)
def test_options_that_do_not_go_together_exit_2(folder, capsys, options, said):
    """Nothing runs."""
    assert cli.run(["verify", str(folder), *options]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--codec", "int8_tensor", "--max-abs", "0"], 5, "codec int8_tensor: max abs"),
        (["--codec", "int8_tensor", "--max-abs", "100", *NO_BROKER], 3, "within the bounds"),
        (["--max-abs", "0", *NO_BROKER], 3, "nowhere.pem"),
        (["--codec", "fp61"], 3, "did you mean 'fp16'"),
        (["--codec", "1=fp16"], 2, "no edge '1'"),
        (["--link", "tpc"], 3, "no plugin 'tpc'"),
        (["--inputs", "."], 2, "--inputs: are for a bound"),
    ],
)
def test_a_deploy_tries_its_codec_before_it_asks_the_broker(
    folder, capsys, tmp_path, options, code, said
):
    """A codec that is refused has touched no device: there is no broker here."""
    where = ["--broker", "mqtt://127.0.0.1:1", "--key", str(tmp_path / "key"), "--serve", "none"]

    assert cli.run(["deploy", str(folder), "--to", "a,b", *where, *options]) == code
    assert said in capsys.readouterr().err
