"""``paceline split`` and ``show`` of a TFLite model: what they print."""

import json
import shlex

import pytest
import structlog

from paceline import cli

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed (paceline[coral])")

from tests.fixtures import tflite_graphs


@pytest.fixture
def model(tmp_path, in_process):
    """A model whose tensors are named as TensorFlow's converter names those that it fused."""
    made = tflite_graphs.batched()
    for tensor in made.graph.tensors:
        if tensor.name in {"a", "b"}:
            tensor.name = f"model/{tensor.name}/BiasAdd;model/{tensor.name}/{'Conv2D' * 20}"
    path = tmp_path / "m.tflite"
    path.write_bytes(made.data())
    yield path
    structlog.reset_defaults()


def test_the_line_that_cuts_again_is_for_a_shell(model, tmp_path, capsys):
    """Names may hold what a shell would take for its own; the line is one, however long."""
    split = ["split", str(model), "--out", str(tmp_path / "parts")]
    assert cli.run([*split, "--stages", "3", "--balance", "flops"]) == 0
    first = (tmp_path / "parts" / "pipeline.json").read_bytes()
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "cuts again" in one]

    again = shlex.split(line.partition(": ")[2])
    assert cli.run([*split, *again]) == 0

    made, before = (
        json.loads(data) for data in ((tmp_path / "parts" / "pipeline.json").read_bytes(), first)
    )
    assert made["segments"] == before["segments"]


def test_a_tflite_model_is_shown(model, capsys):
    """Without opsets, which the format does not have."""
    assert cli.run(["show", str(model)]) == 0

    out = capsys.readouterr().out
    assert "FULLY_CONNECTED" in out
    assert "opset" not in out
