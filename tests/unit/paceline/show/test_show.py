"""`paceline show`: a model's tables, a split's tables, and the picture of each."""

import json
import shutil
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fleet.formats import CutRequest
from fleet.split import split
from paceline import cli

pytestmark = pytest.mark.usefixtures("in_process")

HOSTILE = "t<1>&\N{RIGHT-TO-LEFT OVERRIDE}\x1b[2J"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Give a folder with ``net.onnx``, and with ``parts``, the model cut in two.

    The model is a chain of two products around a tensor of a hostile name, and an operator without
    a rule.
    """
    folder = tmp_path_factory.mktemp("made")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], [HOSTILE]),
        helper.make_node("NonZero", [HOSTILE], ["places"]),
        helper.make_node("MatMul", [HOSTILE, "w"], ["b"]),
        helper.make_node("Det", ["b"], ["y"]),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [info("x", TensorProto.FLOAT, ["N", 8])],
        [info("y", TensorProto.FLOAT, []), info("places", TensorProto.INT64, None)],
        [numpy_helper.from_array(np.eye(8, dtype=np.float32), "w")],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), folder / "net.onnx")
    request = CutRequest(stages=2, balance="flops", dims={"N": 8})
    split(folder / "net.onnx", folder / "parts", request)
    return folder


@pytest.fixture
def model(made, tmp_path):
    """Give a model of one's own."""
    return shutil.copy(made / "net.onnx", tmp_path / "net.onnx")


@pytest.fixture
def parts(made, tmp_path):
    """Give a split of one's own; its model is not the one of this test."""
    return shutil.copytree(made / "parts", tmp_path / "parts")


def shown(capsys, *arguments):
    """Return what a call that does well prints on stdout."""
    code = cli.run(["show", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert code == 0, err
    return out


def refused(capsys, *arguments):
    """Return exit code and error code of a call."""
    code = cli.run(["show", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)["error"]["code"]


def test_a_model_is_told_in_totals_kinds_and_places(model, capsys):
    """What takes no rule is said to have none."""
    lines = [" ".join(line.split()) for line in shown(capsys, model, "--dim", "N=8").splitlines()]

    assert "4 operators, 256 B of weights, 1.02 k multiply-accumulates" in lines
    assert "input x float32 [N, 8], here [8, 8]" in lines
    assert "MatMul 2 1.02 k 100 % 256 B" in lines
    assert "Det 1 no rule 0 B" in lines
    assert any(line.startswith("1 ") and "50 %" in line for line in lines)


@pytest.mark.parametrize("arguments", [("net.onnx", "--dim", "N=8"), ("parts",)])
def test_names_from_the_file_do_not_steer_the_terminal(arguments, made, capsys):
    """Whoever looks at a model from elsewhere sees its names, not what they command."""
    text = shown(capsys, made / arguments[0], *arguments[1:])

    assert "t<1>& [2J" in text
    assert all(letter.isprintable() for letter in text.replace("\n", ""))


def test_a_model_as_json_is_all_that_is_known(model, capsys):
    """Widths and costs of every operator too."""
    seen = json.loads(shown(capsys, model, "--dim", "N=8", "--json"))

    assert seen["opsets"] == {"ai.onnx": 17}
    assert len(seen["along"]["crossing_bytes"]) == seen["operators"] + 1 == 5
    assert seen["places"][0]["tensors"][0] == HOSTILE
    assert seen["svg"] is None


def test_a_model_is_timed_on_demand(model, capsys, real_children):
    """The time of each kind stands beside its work."""
    seen = json.loads(shown(capsys, model, "--dim", "N=8", "--time", "--json"))

    assert len(seen["along"]["seconds"]) == 4
    assert "time before" in shown(capsys, model, "--dim", "N=8", "--time")


def test_a_split_is_told_as_the_split_told_it(parts, capsys):
    """The same table, the same fields."""
    text = shown(capsys, parts)
    seen = json.loads(shown(capsys, parts, "--json"))

    assert text.startswith("net: net.onnx in 2 segments")
    assert "peak memory" in text
    assert [segment["name"] for segment in seen["segments"]] == ["00-head", "01-tail"]
    assert (seen["cut_space"], seen["balance"]) == ("downsets", "flops")


@pytest.mark.parametrize("arguments", [("net.onnx", "--dim", "N=8"), ("parts",)])
def test_each_can_be_drawn(arguments, made, tmp_path, capsys):
    """The picture holds the tensor's name as text."""
    svg = tmp_path / "cuts.svg"
    shown(capsys, made / arguments[0], *arguments[1:], "--svg", svg)

    texts = [e.text or "" for e in ElementTree.parse(svg).iter()]
    assert any("t<1>&\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[2J" in t for t in texts)


def test_a_moved_model_is_found_where_the_user_says(parts, model, tmp_path, capsys):
    """Only a picture needs it; another model is refused."""
    report = json.loads((parts / "split.json").read_bytes())
    (parts / "split.json").write_text(json.dumps({**report, "source": "/none/net.onnx"}))
    other = tmp_path / "other.onnx"
    onnx.save(helper.make_model(onnx.load(model).graph, ir_version=10), other)
    svg = tmp_path / "cuts.svg"

    shown(capsys, parts)
    assert refused(capsys, parts, "--svg", svg) == (3, "show.model_gone")
    assert refused(capsys, parts, "--svg", svg, "--model", other) == (3, "show.model_gone")
    assert not svg.exists()
    shown(capsys, parts, "--svg", svg, "--model", model)


def test_what_is_neither_model_nor_split_is_named(model, tmp_path, capsys):
    """Each case has its own code, all of them exit code 3."""
    (tmp_path / "model.xyz").write_text("?")
    (tmp_path / "folder").mkdir()
    (tmp_path / "bad.onnx").write_text("no model")

    assert refused(capsys, tmp_path / "nowhere") == (3, "show.nothing_there")
    assert refused(capsys, tmp_path / "folder") == (3, "show.nothing_there")
    assert refused(capsys, tmp_path / "model.xyz") == (3, "model.unknown_format")
    assert refused(capsys, tmp_path / "bad.onnx")[0] == 3


def test_a_damaged_split_is_refused(parts, capsys):
    """Nothing is told of files that are not those that were written."""
    (parts / "segments" / "01-tail" / "segment.onnx").write_bytes(b"x")

    assert refused(capsys, parts) == (3, "split.damaged")


def test_a_picture_that_cannot_be_written_is_an_error(model, tmp_path, capsys):
    """The name of the file is in it."""
    svg = tmp_path / "no" / "such" / "cuts.svg"

    assert refused(capsys, model, "--dim", "N=8", "--svg", svg) == (3, "show.svg_unwritable")


@pytest.mark.parametrize(
    "options",
    [
        ("--svg", "net.onnx"),
        ("--dim", "N"),
        ("--dim", "M=3"),
        ("--model", "net.onnx"),
    ],
)
def test_options_that_do_not_fit_a_model_are_usage_errors(options, model, capsys):
    """Above all, a picture never takes a model's place."""
    before = model.read_bytes()

    assert refused(capsys, model, *options) == (2, "split.bad_request")
    assert model.read_bytes() == before


@pytest.mark.parametrize("options", [("--dim", "N=3"), ("--input", "x.npz"), ("--time",)])
def test_options_that_do_not_fit_a_split_are_usage_errors(options, parts, capsys):
    """Its sizes and cuts are what they are."""
    assert refused(capsys, parts, *options) == (2, "split.bad_request")
