"""``paceline profile --offline`` with a runtime that does not run the model here."""

import pytest

from paceline import cli
from tests.system.chains import write_model

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.mark.parametrize(
    ("runtime", "problem"),
    [("onnx_cuda", "CUDAExecutionProvider"), ("onnx_cud", "did you mean 'onnx_cuda'?")],
)
def test_a_runtime_that_is_not_here_is_named_with_why(
    runtime, problem, tmp_path, monkeypatch, capsys
):
    """The device's own words, and no talk of children."""
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    write_model(tmp_path / "m.onnx", rows=2, width=8, layers=1)

    code = cli.run(["profile", str(tmp_path / "m.onnx"), "--offline", "--runtime", runtime])

    said = capsys.readouterr().err
    assert code == 3
    assert f"--runtime {runtime}, on this machine: " in said
    assert problem in said
