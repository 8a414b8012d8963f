"""A frame that crashes whoever runs it, at real agents: a runtime that reads address 0 for it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fleet.formats import CutRequest
from fleet.split import Presentation, split
from tests.fixtures.installed_copy import InstalledCopy
from tests.system.feeding import Feeding
from tests.system.place import until
from wire.messages import Batching

NAME = "onnx_crashing"
RUNTIME = '''"""ONNX segments on the CPU; NaN crashes it."""

import ctypes
import os
import time

import numpy as np

from agent.runtimes.onnx_cpu import OnnxCpuRuntime


class CrashingRuntime(OnnxCpuRuntime):
    """Holds an infinite input until there is a file ``GATE``."""

    NAME = "onnx_crashing"

    def run(self, inputs):
        [array] = inputs.values()
        while np.isinf(array).any() and not os.path.exists(os.environ["GATE"]):
            time.sleep(0.01)
        if np.isnan(array).any():
            ctypes.string_at(0)
        return super().run(inputs)


PLUGIN = CrashingRuntime
'''
HELD, POISON, WINDOW = 20, 23, 8
"""While ``HELD`` is held, frames wait between it and ``POISON``, and behind ``POISON``."""
AT_ONCE = 3
ENDED = "was ended by SIGSEGV"


class Numbered:
    """``y`` is ``x [batch, 2] float32``, a frame's number and kind, to which 1 is added twice."""

    def __init__(self, folder, stages):
        onnx.save(numbered(), folder / "numbered.onnx")
        self.folder = folder / "split"
        request = CutRequest(stages=stages)
        split(folder / "numbered.onnx", self.folder, request, Presentation(name="p"))

    def inputs(self, number):
        """Return the inputs of frame ``number``."""
        kind = {HELD: np.inf, POISON: np.nan}.get(number, 0.0)
        return {"x": np.array([[number, kind]], np.float32)}

    def right(self, number, outputs):
        """Whether these are the outputs of frame ``number``."""
        return np.array_equal(outputs["y"], self.inputs(number)["x"] + 2)


def numbered():
    """Return the model."""
    one = helper.make_tensor("one", TensorProto.FLOAT, [], [1.0])
    nodes = [
        helper.make_node("Add", ["x", "one"], ["more"]),
        helper.make_node("Add", ["more", "one"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2]) for name in "xy"]
    graph = helper.make_graph(nodes, "numbered", values[:1], values[1:], [one])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Our packages with that runtime."""
    made = InstalledCopy(tmp_path_factory.mktemp("copy"))
    made.add(f"agent/runtimes/{NAME}.py", RUNTIME)
    return made


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("devices", "most_at_once"),
    [(("d1",), 1), (("d1",), AT_ONCE), (("d1", "d2"), 1)],
    ids=["client", "client, several at once", "stage"],
)
def test_a_frame_that_crashes_takes_no_other_along(place, copy, tmp_path, devices, most_at_once):
    """Whoever sent it ends it with the second worker; what was there with it is answered."""
    model = Numbered(tmp_path, len(devices))
    crashes, gate = devices[-1], tmp_path / "gate"
    place.programs[crashes] = [str(copy.python), "-I", "-m", "agent"]
    place.environments[crashes] = {"GATE": str(gate)}
    place.start(*devices)
    until(lambda: all(place.ear.last("info", device) for device in devices), "all infos")
    runtime = f"auto,{len(devices) - 1}={NAME}"
    batching = Batching(max_frames=most_at_once)
    place.deploy(model.folder, *devices, runtime=runtime, batching=batching)

    with Feeding(place.site.pipeline("p"), model, window=WINDOW) as feeding:
        until(lambda: feeding.account and feeding.account.submitted > POISON + 2, "those behind")
        gate.touch()
        feeding.more(30)
    told = until(
        lambda: (a := place.assignment(crashes)).phase == "serving" and a.restarts > 1 and a,
        lambda: f"the third worker; said {place.reported(crashes)}",
    )

    assert [answer.sequence for answer in feeding.answers] == list(range(len(feeding.answers)))
    failed = [(each.sequence, each.error.reason) for each in feeding.answers if each.error]
    assert failed == [(POISON, "worker.lost")]
    assert (told.phase, told.restarts) == ("serving", 2)
    assert [line["error"] for line in place.log(crashes, "worker.lost")] == 2 * [ENDED]
