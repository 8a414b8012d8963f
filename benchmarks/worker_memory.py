"""What a worker holds in memory, beside a bare process that runs the same segment.

    uv run python -m benchmarks.worker_memory
    uv run python -m benchmarks.worker_memory --only dense-50,conv-50

Segments of large dense layers and of convolutions are deployed to a real agent through a real
mosquitto; after some frames the worker is looked at. Beside it stands a Python process that imports
numpy and onnxruntime, loads the same segment with the same options, runs as many frames, and does
nothing else. `smaps_rollup` tells, in MB:

    private   anonymous memory: nobody shares it, and only swap could take it
    pss       all memory; of each page that N processes map, an Nth: also the weights' file

(`Private_*` would count pages of the weights' file, which the kernel may drop, and count them as
dirty until the disk has them.) *onnxruntime's own* is the private memory of the bare process with a
segment of 16 KB. Goals: prepacked, private <= own + 1.05 x weights; mapped, private <= 40 MB; both
without tensors, of which all segments but the last (`frames-3`) have few.
CPU is what one frame costs each process in all: of the worker also receiving and sending.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fleet.formats import CutRequest
from fleet.split import Presentation, split
from fleet.split_folder import SEGMENTS_FOLDER
from paceline.bench.hop import cpu_seconds
from paceline.demo import broker_kinds
from paceline.demo.broker import Broker
from tests.system.place import Place, until

MAPPED_GOAL_MB = 40.0
WEIGHTS_GOAL = 1.05
TINY = "tiny"
FRAMES = "frames-3"
"""Frames of 3 MB and nearly no weights: what is in memory are tensors."""
COLUMNS = (
    "| segment | MB of weights | | worker: private | pss | bare: private | pss"
    " | worker / bare | goal | worker / goal"
    " | CPU ms a frame: worker | bare |"
)
BARE = """
import json, sys, time
import numpy as np, onnxruntime as ort
path, weights, frames, shape = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
if weights == "mapped":
    options.add_session_config_entry("session.disable_prepacking", "1")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
inputs = {"x": np.ones(shape, np.float32)}
session.run(None, inputs)
before = time.process_time()
for _ in range(frames):
    session.run(None, inputs)
print((time.process_time() - before) / frames, flush=True)
sys.stdin.read()
"""


class Model(NamedTuple):
    """A chain of equal layers."""

    width: int
    layers: int
    side: int
    """Of the pictures that convolutions see; 0: dense layers, and four rows."""

    @property
    def shape(self):
        return [1, self.width, self.side, self.side] if self.side else [4, self.width]

    @property
    def weights(self):
        return [self.width, self.width, *([3, 3] if self.side else [])]

    @property
    def weights_mb(self):
        return self.layers * np.prod(self.weights) * 4 / (1 << 20)


MODELS = {
    TINY: Model(64, 1, 0),
    "dense-50": Model(1024, 12, 0),
    "dense-200": Model(2048, 12, 0),
    "conv-50": Model(512, 5, 7),
    "conv-200": Model(1024, 5, 7),
    FRAMES: Model(64, 1, 112),
}


class Memory(NamedTuple):
    """A process's, in MB."""

    private: float
    pss: float

    @classmethod
    def of(cls, pid):
        """Read it from the kernel."""
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        found = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
        return cls(found["Anonymous"], found["Pss"])


def write_split(model, folder):
    """Write the model as a pipeline of one segment; returns the split's folder."""
    random = np.random.default_rng(0)
    nodes, weights, name = [], [], "x"
    for layer in range(model.layers):
        array = random.standard_normal(model.weights, np.float32)
        array /= np.sqrt(np.prod(model.weights[1:]), dtype=np.float32)
        weights.append(numpy_helper.from_array(array, f"w{layer}"))
        inputs, after = [name, f"w{layer}"], "y" if layer == model.layers - 1 else f"t{layer}"
        if model.side:
            nodes.append(helper.make_node("Conv", inputs, [f"m{layer}"], pads=[1] * 4))
        else:
            nodes.append(helper.make_node("MatMul", inputs, [f"m{layer}"]))
        nodes.append(helper.make_node("Tanh", [f"m{layer}"], [after]))
        name = after
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, model.shape) for n in "xy"]
    graph = helper.make_graph(nodes, "layers", values[:1], values[1:], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, folder / "model.onnx")
    request = CutRequest(stages=1, balance="bytes")
    split(folder / "model.onnx", folder / "split", request, Presentation(name="p"))
    return folder / "split"


def of_worker(place, weights, model, folder, frames):
    """Return a worker's memory after some frames, and the CPU seconds of one."""
    device = f"with-{weights}"
    place.start(device, runtime={"threads": 1, "weights": weights})
    until(lambda: place.ear.last("info", device), "the agent")
    place.deploy(folder, device)
    pipeline = place.site.pipeline("p")
    inputs = {"x": np.ones(model.shape, np.float32)}
    [pid] = place.workers(device)
    pipeline.run(inputs)
    before = cpu_seconds(pid)
    for answer in pipeline.stream([inputs] * frames):
        assert answer.error is None
    found = Memory.of(pid), (cpu_seconds(pid) - before) / frames
    place.undeploy()
    return found


def of_bare(model, folder, weights, frames):
    """Return a bare process's memory after some frames, and the CPU seconds of one."""
    [segment] = (folder / SEGMENTS_FOLDER).iterdir()
    given = [str(segment / "segment.onnx"), weights, str(frames), json.dumps(model.shape)]
    command = [sys.executable, "-I", "-c", BARE, *given]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        seconds = float(process.stdout.readline())
        found = Memory.of(process.pid)
        process.stdin.close()
    return found, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(MODELS), help="segments, parted by commas")
    parser.add_argument("--frames", type=int, default=30)
    options = parser.parse_args()
    print(f"load before: {os.getloadavg()[0]:.1f}\n\n{COLUMNS}\n" + "|---" * 12 + "|", flush=True)
    own = None
    for name in dict.fromkeys((TINY, *options.only.split(","))):
        model = MODELS[name]
        with (
            tempfile.TemporaryDirectory() as made,
            Broker(broker_kinds.MOSQUITTO) as broker,
        ):
            folder = write_split(model, Path(made))
            for weights in ("prepacked", "mapped"):
                (Path(made) / weights).mkdir()
                place = Place(Path(made) / weights, broker)
                try:
                    worker, spent = of_worker(place, weights, model, folder, options.frames)
                finally:
                    place.end()
                bare, alone = of_bare(model, folder, weights, options.frames)
                own = own or bare.private
                held = own + WEIGHTS_GOAL * model.weights_mb
                goal = MAPPED_GOAL_MB if weights == "mapped" else held
                print(
                    f"| {name} | {model.weights_mb:.0f} | {weights}"
                    f" | {worker.private:.1f} | {worker.pss:.1f} | {bare.private:.1f}"
                    f" | {bare.pss:.1f} | {worker.private / bare.private:.2f} | {goal:.0f}"
                    f" | {worker.private / goal:.2f} | {1000 * spent:.2f} | {1000 * alone:.2f} |",
                    flush=True,
                )
    print(f"\nonnxruntime's own: {own:.1f} MB; load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
