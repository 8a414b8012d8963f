"""The stand-in for the process boundary says what a real child says."""

import numpy as np
import onnx
import pytest
from onnx import helper

from fleet import children
from fleet.children import RunOptions
from fleet.errors import ChildFailedError
from tests.fixtures.in_process import InProcess


@pytest.fixture
def model(tmp_path):
    """A model of one operator, on disk."""
    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", 1, [2])],
        [helper.make_tensor_value_info("y", 1, [2])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def both(monkeypatch, act):
    """Return what ``act`` gives with a real child, and without one."""
    real = act()
    with monkeypatch.context() as patch:
        patch.setattr(children, "subprocess", InProcess)
        return real, act()


def test_a_run_gives_the_same(monkeypatch, model):
    """Outputs, and the report but for its times."""
    x = np.array([1, -2], np.float32)

    real, near = both(monkeypatch, lambda: children.run(model, [{"x": x}], RunOptions()))

    assert real.outputs[0]["y"].tobytes() == near.outputs[0]["y"].tobytes()
    assert real.report.outputs == near.report.outputs


def test_a_failure_gives_the_same(monkeypatch, model):
    """Its code, and its sentence."""

    def act():
        with pytest.raises(ChildFailedError) as failed:
            children.run(model, [{"q": np.zeros(2, np.float32)}], RunOptions())
        return failed.value.child_code, failed.value.reason

    real, near = both(monkeypatch, act)

    assert real == near


def test_a_wrong_command_line_is_a_crash(monkeypatch):
    """As it is for a real child: there is no report."""
    monkeypatch.setattr(children, "subprocess", InProcess)

    with pytest.raises(ChildFailedError, match=r"exit status 2; .*no-such-option"):
        children.call("probe", ["--no-such-option"], object, limit_seconds=9)
