"""onnxruntime's build for NVIDIA's GPUs on a machine without CUDA: it falls back, and we do not.

In an environment of its own: `scripts/test-extra gpu`.
"""

import json
import subprocess
import sys
from importlib import metadata

import pytest

from agent.errors import AcceleratorMissingError
from agent.runtimes import _nvidia
from agent.runtimes.onnx_cpu import OnnxCpuRuntime
from agent.runtimes.onnx_cuda import OnnxCudaRuntime
from agent.runtimes.onnx_tensorrt import OnnxTensorRtRuntime

try:
    VERSION = metadata.version("onnxruntime-gpu")
except metadata.PackageNotFoundError:
    pytest.skip("onnxruntime-gpu is not here: scripts/test-extra gpu", allow_module_level=True)
if _nvidia.gpus():
    pytest.skip("there is a GPU: tests/hardware is for it", allow_module_level=True)


def test_without_a_gpu_there_is_nothing_to_detect():
    """Though the build offers its providers; the processor is served by it as well."""
    import onnxruntime

    assert "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    assert OnnxCudaRuntime.detect() == OnnxTensorRtRuntime.detect() == ()
    OnnxCpuRuntime.prove()


def test_the_library_that_is_missing_is_named(monkeypatch, capfd):
    """With a GPU in sight: onnxruntime makes a session on the CPU and tells its log alone."""
    monkeypatch.setattr(_nvidia, "gpus", lambda: {"gpu:0": "NVIDIA T4"})

    with pytest.raises(AcceleratorMissingError, match=r"libcu\w+\.so\.\d+: cannot open shared"):
        OnnxCudaRuntime.prove("gpu:0")
    with pytest.raises(AcceleratorMissingError, match="no device or library"):
        OnnxTensorRtRuntime.prove("gpu:0")

    assert capfd.readouterr().out == ""


def test_the_doctor_finds_the_build(tmp_path):
    """What was installed, why it cannot run, what to do; exit 7."""
    command = [sys.executable, "-I", "-m", "paceline", "doctor", "--json"]
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=False, env=home, timeout=100)
    report = json.loads(ended.stdout.splitlines()[-1])
    (found,) = [
        finding
        for examination in report["examinations"]
        for finding in examination["findings"]
        if finding["id"] == "runtimes.build"
    ]

    assert ended.returncode == 7
    assert found["severity"] == "problem"
    assert f"onnxruntime-gpu {VERSION} is installed" in found["evidence"]
    assert "install 'paceline[cpu]'" in found["fix"]
