"""What LiteRT makes of its surroundings: weights in memory, short memory, threads and files."""

import os
import subprocess
import sys

import numpy as np
import pytest

from agent.runtimes import _tflite
from tests.fixtures.tflite_builder import TfliteModel

WIDTH = 2048
LAYERS = 2
WEIGHTS_MB = LAYERS * WIDTH * WIDTH * 4 >> 20
_HELD = """
import re, resource, sys
from pathlib import Path
import numpy as np
from agent.runtimes import RuntimeOptions
from agent.runtimes.tflite_cpu import TfliteCpuRuntime
from wire.allocator import give_back

def held(what):
    return int(re.search(what + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10

TfliteCpuRuntime.prove()
"""
_PROGRAM = (
    _HELD
    + """
before = held("RssAnon")
runtime = TfliteCpuRuntime.open(Path(sys.argv[1]), RuntimeOptions(weights=sys.argv[2]))
give_back()
answer = next(iter(runtime.run({"x": np.ones((1, int(sys.argv[3])), np.float32)}).values()))
assert answer.shape == (1, int(sys.argv[3]))
print(held("RssAnon") - before)
"""
)
_SHORT = (
    _HELD
    + """
limit = (held("VmData") << 20) + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    TfliteCpuRuntime.open(Path(sys.argv[1]), RuntimeOptions())
except MemoryError:
    print("short")
"""
)
_THREADS = """
import os
import numpy
before = len(os.listdir("/proc/self/task"))
from agent.runtimes.tflite_cpu import PLUGIN
assert PLUGIN.detect()
PLUGIN.prove()
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    """A segment of large layers."""
    folder = tmp_path_factory.mktemp("segment")
    model = TfliteModel()
    tensor = model.tensor("x", [1, WIDTH])
    model.graph.inputs = [tensor]
    for layer in range(LAYERS):
        weights = model.constant(f"w{layer}", np.ones((WIDTH, WIDTH), np.float32))
        made = model.tensor(f"t{layer}", [1, WIDTH])
        model.operator("FULLY_CONNECTED", [tensor, weights], [made], kind="FullyConnected")
        tensor = made
    model.graph.outputs = [tensor]
    (folder / "segment.tflite").write_bytes(model.data())
    return folder


def printed(program, *arguments, **environment):
    """What a Python of its own prints."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | environment
    )
    return done.stdout.strip()


@pytest.mark.parametrize(("weights", "copies"), [("prepacked", 1), ("mapped", 0)])
def test_weights_of_layers(layers, weights, copies):
    """Mapped they stay in their file; else the process has one copy, and none that it left over."""
    held = int(printed(_PROGRAM, layers, weights, WIDTH))

    assert round(held / WEIGHTS_MB) == copies


@pytest.mark.parametrize("slack", [60_000, 100_000, 120_000, 1_000_000, WEIGHTS_MB << 19])
def test_short_memory_is_called_so(layers, slack):
    """The worker reports it as worker.out_of_memory; the segment is not to blame."""
    assert printed(_SHORT, layers, slack) == "short"


@pytest.mark.parametrize(
    "words",
    ["failed to reshape runtime", "(TfLiteXNNPackDelegate) failed to prepare", "wrong dimensions"],
)
def test_what_may_be_the_graphs_fault_stays_so_where_memory_is_not_limited(words):
    """A broken model is no matter of memory."""
    assert _tflite.check_memory(RuntimeError(words), opening=True) is None


def test_no_thread_is_started_and_nothing_left_behind(tmp_path):
    """By importing LiteRT, and by opening and running a model on one thread."""
    assert printed(_THREADS, TMPDIR=str(tmp_path), HOME=str(tmp_path)) == "0"
    assert list(tmp_path.iterdir()) == []
