"""The OpenVINO provider itself, and a pipeline with one stage on it.

Its distribution owns the import name `onnxruntime` as well: `scripts/test-extra openvino` runs this
in an environment of its own, beside the project's.
"""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from agent.errors import AcceleratorMissingError
from agent.runtimes import RuntimeOptions
from agent.runtimes.onnx_cpu import OnnxCpuRuntime
from agent.runtimes.onnx_openvino import OnnxOpenVinoRuntime
from fleet import golden_files
from fleet.split_folder import SEGMENTS_FOLDER
from tests.system.place import until
from wire.reports import ProbeReport

try:
    VERSION = metadata.version("onnxruntime-openvino")
except metadata.PackageNotFoundError:
    pytest.skip("onnxruntime-openvino is not here: scripts/test-extra openvino", True)

USUAL = Path(__file__).parents[2] / ".venv" / "bin" / "python"
"""Of the project's environment, which has the usual onnxruntime."""
ZOO = Path.home() / ".cache" / "paceline" / "zoo"


def model(path, *kinds, shape=(4, 4)):
    """Write a model of operators in a row that take and give one tensor."""
    names = ["x", *(f"t{place}" for place in range(1, len(kinds))), "y"]
    nodes = [
        helper.make_node(kind, [names[place]], [names[place + 1]])
        for place, kind in enumerate(kinds)
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy")
    graph = helper.make_graph(nodes, "row", [x], [y])
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def test_a_child_proves_it():
    """On the processor at least, which OpenVINO finds wherever it runs; beside onnx_cpu."""
    child = [sys.executable, "-I", "-m", "agent", "probe", "--json"]
    ended = subprocess.run(child, stdout=subprocess.PIPE, check=True, timeout=60)
    report = msgspec.json.decode(ended.stdout, type=ProbeReport)
    found = {(one.name, one.accelerator): one for one in report.runtimes}

    assert found["onnx_openvino", "ov:CPU"].works
    assert found["onnx_openvino", "ov:CPU"].version == VERSION
    assert found["onnx_openvino", "ov:CPU"].fallback == "onnx_cpu"
    assert found["onnx_cpu", "cpu"].works


def test_what_it_does_not_take_is_told(tmp_path):
    """Each operator that the processor runs instead, and what they take of the first run."""
    path = model(tmp_path / "m.onnx", "Relu", "Tanh", "Hardmax")
    runtime = OnnxOpenVinoRuntime.open(path, RuntimeOptions())
    before = runtime.actual
    x = {"x": np.eye(4, dtype=np.float32)}

    expected = OnnxCpuRuntime.open(path, RuntimeOptions()).run(x)["y"]

    np.testing.assert_allclose(runtime.run(x)["y"], expected, atol=1e-6)
    assert before.short_of == "1 of 3 operators run elsewhere: Hardmax on the CPU"
    assert runtime.actual.accelerator == "ov:CPU"
    assert runtime.actual.short_of.startswith(before.short_of + " (")
    assert runtime.actual.short_of.endswith("% of the time)")


def test_a_session_without_it_is_not_opened(tmp_path):
    """It takes none of the operators: all would run on the processor, without a word."""
    path = model(tmp_path / "m.onnx", "Hardmax")

    with pytest.raises(AcceleratorMissingError, match="takes none of the segment's operators"):
        OnnxOpenVinoRuntime.open(path, RuntimeOptions())


def test_what_it_takes_and_cannot_compile_is_its_own_fault():
    """The processor can take over: onnx_cpu opens the same model."""
    path = ZOO / "silero_vad.onnx"
    if not path.exists():
        pytest.skip(f"no {path}: run scripts/fetch-zoo")

    with pytest.raises(AcceleratorMissingError, match="openvino"):
        OnnxOpenVinoRuntime.open(path, RuntimeOptions())

    OnnxCpuRuntime.open(path, RuntimeOptions()).close()


@pytest.mark.parametrize("accelerator", ["ov:GPU.7", "cpu", "ov:cpu"])
def test_a_device_that_is_not_here(tmp_path, accelerator):
    """OpenVINO would log it and run on the CPU of onnxruntime."""
    path = model(tmp_path / "m.onnx", "Relu")

    with pytest.raises(AcceleratorMissingError, match=r"is not here \(ov:CPU"):
        OnnxOpenVinoRuntime.open(path, RuntimeOptions(accelerator=accelerator))


@pytest.mark.parametrize("weights", ["prepacked", "mapped"])
def test_segments_with_their_weights_beside_them(chain, weights):
    """Golden frames come out as from the usual runtime, with all operators on OpenVINO."""
    for segment in chain.manifest.segments:
        folder = chain.folder / SEGMENTS_FOLDER / segment.name
        inputs, expected = golden_files.read(folder)
        runtime = OnnxOpenVinoRuntime.open(folder, RuntimeOptions(weights=weights))

        got = runtime.run(inputs)

        assert runtime.actual.short_of == ""
        for name, array in expected.items():
            np.testing.assert_allclose(got[name], array, rtol=1e-4, atol=1e-5)
        runtime.close()


def test_its_kernels_are_timed(tmp_path):
    """One is made of all operators that it takes in a row."""
    path = model(tmp_path / "m.onnx", "Relu", "Tanh", "Hardmax")
    runtime = OnnxOpenVinoRuntime.open(path, RuntimeOptions(profile=True))
    for _ in range(3):
        runtime.run({"x": np.eye(4, dtype=np.float32)})

    times = runtime.operator_times()

    assert [len(one.seconds) for one in times] == [3, 3]
    assert "Hardmax" in {one.kind for one in times}


def test_one_stage_of_a_pipeline(place, command, chain):
    """Between two devices of the project's own environment, with the whole model's answers."""
    if not USUAL.exists():
        pytest.skip(f"{USUAL} is not there: uv sync")
    usual = [str(USUAL), "-I", "-m", "agent"]
    place.programs |= {"d1": usual, "d3": usual}
    place.start("d1", "d2", "d3")
    until(lambda: all(place.ear.last("info", device) for device in ("d1", "d2", "d3")))
    proved = {
        device: {one.runtime for one in place.ear.last("info", device).runtimes if one.proved}
        for device in ("d1", "d2", "d3")
    }
    assert "onnx_openvino" in proved["d2"]
    assert "onnx_openvino" not in proved["d1"] | proved["d3"]

    place.deploy(chain.folder, "d1", "d2", "d3", runtime="d2=onnx_openvino")
    pipeline = place.site.pipeline("p")
    for number in range(5):
        got = pipeline.run(chain.inputs(number))["y"]
        np.testing.assert_allclose(got, chain.expected(number), rtol=1e-4, atol=1e-5)

    told = {device: place.assignment(device) for device in ("d1", "d2", "d3")}
    assert [told[d].runtime_asked for d in told] == ["onnx_cpu", "onnx_openvino", "onnx_cpu"]
    assert [told[d].runtime_actual for d in told] == ["onnx_cpu", "onnx_openvino", "onnx_cpu"]
    assert told["d2"].accelerator_actual == "ov:CPU"
    assert told["d2"].degraded is None
    code, status = command("status", "p")
    assert code == 0
    assert [stage["runtime"] for stage in status["pipelines"][0]["stages"]] == [
        "onnx_cpu", "onnx_openvino", "onnx_cpu",
    ]  # fmt: skip
    code, report = command("doctor", "--device", "d2")
    proofs = [
        finding["evidence"]
        for examination in report["examinations"]
        for finding in examination["findings"]
        if finding["id"] == "runtimes.proof" and finding["severity"] == "ok"
    ]
    assert f"onnx_openvino {VERSION} ran a proof (ov:CPU)" in proofs


def test_a_stage_that_it_does_not_take_runs_on_the_processor(place, command, tmp_path):
    """Degraded, with the reason; where the accelerator is required, it fails instead."""
    place.start("d1")
    until(lambda: place.ear.last("info", "d1"))
    path = model(tmp_path / "m.onnx", "Hardmax", "Hardmax")
    code, _ = command("split", path, "--out", tmp_path / "split", "--stages", "1")
    assert code == 0
    deploy = ["deploy", tmp_path / "split", "--to", "d1", "--serve", place.artifacts]
    deploy += ["--runtime", "onnx_openvino"]

    code, _ = command(*deploy, "--name", "p")
    told = place.await_phase("d1", "serving")
    _, status = command("status", "p")
    refused, said = command(*deploy, "--name", "strict", "--require-accelerator")

    assert code == 0
    assert (told.runtime_asked, told.runtime_actual) == ("onnx_openvino", "onnx_cpu")
    assert told.degraded.code == "accelerator.missing"
    assert "takes none of the segment's operators" in told.degraded.message
    assert status["pipelines"][0]["state"] == "degraded"
    assert refused != 0
    assert "takes none of the segment's operators" in said["error"]["message"]
