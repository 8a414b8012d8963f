"""Where onnxruntime has a segment's weights."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

WIDTH = 384
LAYERS = 4
WEIGHTS_MB = LAYERS * WIDTH * WIDTH * 9 * 4 >> 20
_PROGRAM = """
import re, sys
from pathlib import Path
import numpy as np
from agent.runtimes import RuntimeOptions
from agent.runtimes.onnx_cpu import OnnxCpuRuntime
from wire.allocator import give_back

def held():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10

OnnxCpuRuntime.prove()
before = held()
runtime = OnnxCpuRuntime.open(Path(sys.argv[1]), RuntimeOptions(weights=sys.argv[2]))
give_back()
width = int(sys.argv[3])
assert runtime.run({"x": np.ones((1, width, 3, 3), np.float32)})["y"].shape == (1, width, 3, 3)
print(held() - before)
"""


@pytest.fixture(scope="module")
def convolutions(tmp_path_factory):
    """A segment of large convolutions, their weights in a file beside it."""
    folder = tmp_path_factory.mktemp("segment")
    array = np.ones((WIDTH, WIDTH, 3, 3), np.float32)
    weights = [numpy_helper.from_array(array, f"w{layer}") for layer in range(LAYERS)]
    shape = [1, WIDTH, 3, 3]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy")
    names = ["x", *(f"t{layer}" for layer in range(1, LAYERS)), "y"]
    nodes = [
        helper.make_node("Conv", [names[layer], f"w{layer}"], [names[layer + 1]], pads=[1] * 4)
        for layer in range(LAYERS)
    ]
    graph = helper.make_graph(nodes, "convolutions", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = folder / "segment.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin")
    return folder


@pytest.mark.parametrize(("weights", "copies"), [("prepacked", 1), ("mapped", 0)])
def test_weights_of_convolutions(convolutions, weights, copies):
    """Mapped they stay in their file; else the process has one copy, and none that it left over."""
    command = [sys.executable, "-c", _PROGRAM, str(convolutions), weights, str(WIDTH)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert round(int(done.stdout) / WEIGHTS_MB) == copies
