"""What the CPU runtime makes of its surroundings: short memory, and a library that reports home."""

import os
import subprocess
import sys

import pytest

from agent.errors import RuntimeOpenError
from agent.runtimes import RuntimeOptions, _onnx_library
from agent.runtimes.onnx_cpu import OnnxCpuRuntime

SHORT = [
    ImportError("state.so: failed to map segment from shared object"),
    ImportError("libx.so: cannot allocate memory in static TLS block"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : bad allocation"),
    RuntimeError("[ONNXRuntimeError] : 1 : FAIL : Failed to allocate memory for requested buffer"),
]
OTHER = [
    ImportError("No module named 'onnxruntime'"),
    ImportError("state.so: failed to map segment from shared object: Operation not permitted"),
    RuntimeError("Protobuf parsing failed."),
]


@pytest.mark.parametrize("error", SHORT, ids=str)
def test_short_memory_is_called_so(error):
    """The worker reports it as worker.out_of_memory; the segment is not to blame."""
    with pytest.raises(MemoryError, match=str(error).split(" : ")[-1][-12:]):
        _onnx_library.check_memory(error)


@pytest.mark.parametrize("error", OTHER, ids=str)
def test_what_is_not_about_memory_stays(error):
    """No library, a `noexec` mount, a broken model."""
    assert _onnx_library.check_memory(error) is None


def test_a_broken_model_is_still_no_matter_of_memory(tmp_path):
    """The usual refusal."""
    model = tmp_path / "broken.onnx"
    model.write_bytes(b"\x08")

    with pytest.raises(RuntimeOpenError):
        OnnxCpuRuntime.open(model, RuntimeOptions())


def test_nothing_is_reported_and_nothing_left_behind(tmp_path):
    """Importing onnxruntime through us starts no telemetry: it would leave its session's file."""
    program = "from agent.runtimes.onnx_cpu import PLUGIN; assert PLUGIN.detect(); PLUGIN.prove()"
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    environment["TMPDIR"] = str(tmp_path)

    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)

    assert list(tmp_path.iterdir()) == []


def test_the_users_own_setting_stays(monkeypatch):
    """A value that is set already is not ours to change."""
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "true")

    OnnxCpuRuntime.detect()

    assert os.environ["ORT_DISABLE_TELEMETRY"] == "true"
