"""A run that never comes back, at real agents: onnxruntime in a loop that the input keeps going."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fleet import children
from fleet.formats import CutRequest
from fleet.split import Presentation, split
from paceline.errors import FrameFailedError
from tests.fixtures.in_process import InProcess
from tests.system.feeding import Feeding
from tests.system.place import until
from tests.system.test_worker_deaths import reasons_said

WIDTH = 8
FOR_EVER = 1e15
"""So many turns of the loop take weeks."""
QUICK = {"threads": 1, "run_seconds": 4.0}
"""No run is taken for hung that only waits for a processor."""


class Counting:
    """``y`` is ``x``, to which 1 is added as often as the largest element of ``x`` says."""

    def __init__(self, folder, stages=1):
        model = folder / "counting.onnx"
        onnx.save(counting(), model)
        self.folder = folder / "split"
        self.endless = ()
        """The frames on which it never ends."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(children, "subprocess", InProcess)
            split(model, self.folder, CutRequest(stages=stages), Presentation(name="p"))

    def inputs(self, number):
        """Return the inputs of frame ``number``."""
        most = FOR_EVER if number in self.endless else 3.0
        return {"x": np.linspace(-1, most, WIDTH, dtype=np.float32)}

    def right(self, number, outputs):
        """Whether these are the outputs of frame ``number``."""
        return np.array_equal(outputs["y"], self.inputs(number)["x"] + 3)


def counting():
    """Return the model."""
    one = helper.make_tensor("one", TensorProto.FLOAT, [], [1.0])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["goes_on"], ["goes_on_still"]),
            helper.make_node("Add", ["before", "one"], ["after"]),
        ],
        "turn",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, [WIDTH]),
        ],
        [
            helper.make_tensor_value_info("goes_on_still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, [WIDTH]),
        ],
        [one],
    )
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["turns"], to=TensorProto.INT64),
        helper.make_node("Loop", ["turns", "", "x"], ["y"], body=body),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [WIDTH]) for name in "xy"]
    graph = helper.make_graph(nodes, "counting", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The model."""
    return Counting(tmp_path_factory.mktemp("counting"))


def third_serving(place, device):
    """Wait until a device reports that its third worker serves; returns the assignment."""
    return until(
        lambda: (a := place.assignment(device)).phase == "serving" and a.restarts > 1 and a,
        lambda: f"the third worker; said {place.reported(device)}",
    )


def test_runs_that_never_end(place, model):
    """Another worker gets what the first one held; what hangs twice ends; the third is given up."""
    place.start("d1", runtime=QUICK)
    place.deploy(model.folder, "d1")
    pipeline = place.site.pipeline("p")
    model.endless = (5,)
    with Feeding(pipeline, model, window=1) as feeding:
        feeding.more(20)
    told = third_serving(place, "d1")
    with pytest.raises(FrameFailedError, match="no answer"):
        pipeline.run(model.inputs(5), deadline_seconds=2.0)
    failed = place.await_phase("d1", "failed", code="worker.hung")

    assert feeding.errors == {"worker.lost": 1}
    assert (told.phase, told.restarts) == ("serving", 2)
    assert (told.reason.code, told.outcome) == ("worker.hung", "failing")
    assert "onnx_cpu did not end its run in" in told.reason.message
    assert failed.restarts == 3
    assert "3 workers lost, given up" in failed.reason.message
    assert reasons_said(place, "d1") == {"worker.hung"}
    assert {line["reason"] for line in place.log("d1", "worker.lost")} == {"worker.hung"}


@pytest.mark.parametrize("devices", [("d1",), ("d1", "d2")], ids=["client", "stage"])
def test_frames_that_wait_behind_an_endless_run_are_answered(place, tmp_path, devices):
    """Whoever sent them sends them again, to a worker that has run all the others."""
    model = Counting(tmp_path, stages=len(devices))
    for device in devices:
        place.start(device, runtime=QUICK)
    place.deploy(model.folder, *devices)
    hangs = devices[-1]
    model.endless = (5,)
    with Feeding(place.site.pipeline("p"), model, window=8) as feeding:
        feeding.more(30)
    told = third_serving(place, hangs)

    failed = [(each.sequence, each.error.reason) for each in feeding.answers if each.error]
    assert failed == [(5, "worker.lost")]
    assert (told.phase, told.restarts) == ("serving", 2)
    assert reasons_said(place, hangs) == {"worker.hung"}
