"""Which provider a session is on: asked for, offered, got, and used; by a table."""

import errno
import tempfile

import numpy as np
import pytest

from agent.errors import AcceleratorMissingError, RuntimeOpenError
from agent.runtimes import Actual, RuntimeOptions, _nvidia, _onnx_proof
from agent.runtimes.onnx_cuda import OnnxCudaRuntime
from agent.runtimes.onnx_openvino import OnnxOpenVinoRuntime
from agent.runtimes.onnx_tensorrt import OnnxTensorRtRuntime
from tests.unit.agent.runtimes.stand_in import CPU, CUDA, OPENVINO, TENSORRT, install

GPU = {"gpu:0": "NVIDIA T4", "gpu:1": "NVIDIA L4"}
MADE = (CUDA,)
TABLE = [
    # what is offered, got, placed -> what runs it, or why nothing does
    ("gpu:0", [CUDA], [CUDA], {CUDA: ["Conv"]}, Actual("gpu:0")),
    ("gpu:1", [TENSORRT, CUDA], [CUDA], {CUDA: ["Conv", "Relu"]}, Actual("gpu:1")),
    ("", [CUDA], [CUDA], {}, Actual("gpu:0")),
    (
        "gpu:0", [CUDA], [CUDA], {CUDA: ["Conv", "Relu"], CPU: ["Resize"]},
        Actual("gpu:0", "1 of 3 operators run elsewhere: Resize on the CPU"),
    ),
    ("gpu:0", [], [], {}, "has no CUDAExecutionProvider (CPUExecutionProvider)"),
    ("gpu:0", [OPENVINO], [], {}, "has no CUDAExecutionProvider"),
    ("gpu:2", [CUDA], [CUDA], {}, "gpu:2: it is not here (gpu:0, gpu:1)"),
    ("gpu:0", [CUDA], [], {}, "libonnxruntime_providers_cuda.so: cannot open shared object"),
    ("gpu:0", [CUDA], [CUDA], {CPU: ["Conv"]}, "takes none of the segment's operators"),
]  # fmt: skip


@pytest.fixture
def model(tmp_path):
    """A model's file."""
    path = tmp_path / "m.onnx"
    path.write_bytes(_onnx_proof.MODEL)
    return path


@pytest.fixture(autouse=True)
def gpus(monkeypatch):
    """Two cards."""
    monkeypatch.setattr(_nvidia, "gpus", lambda: GPU)


@pytest.mark.parametrize(("asked", "offered", "got", "placed", "expected"), TABLE)
def test_what_runs_is_known(monkeypatch, model, asked, offered, got, placed, expected):
    """On the accelerator that was asked for, as far as it goes; or the reason why not."""
    install(monkeypatch, offered=offered, got=got, placed=placed)
    options = RuntimeOptions(accelerator=asked)

    if isinstance(expected, Actual):
        runtime = OnnxCudaRuntime.open(model, options)
        assert runtime.actual == expected
        runtime.close()
        return
    with pytest.raises(AcceleratorMissingError) as raised:
        OnnxCudaRuntime.open(model, options)
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("[OpenVINO-EP] Unsupported operator", AcceleratorMissingError),
        ("Load model from m.onnx failed: Protobuf parsing failed.", RuntimeOpenError),
        ("std::bad_alloc in OpenVINO", MemoryError),
    ],
)
def test_who_is_to_blame(monkeypatch, model, error, expected):
    """The provider that refuses has somebody who takes over; a broken model and memory have not."""
    install(monkeypatch, offered=[OPENVINO], devices=["CPU"], error=error)

    with pytest.raises(expected):
        OnnxOpenVinoRuntime.open(model, RuntimeOptions())


def test_a_full_disk_does_not_stop_what_is_only_looked_at(monkeypatch, model):
    """The first run is then not profiled."""
    install(
        monkeypatch, offered=[OPENVINO], got=[OPENVINO], devices=["CPU"],
        placed={OPENVINO: ["Conv"]},
    )  # fmt: skip

    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", full)
    runtime = OnnxOpenVinoRuntime.open(model, RuntimeOptions())

    assert runtime.run({"x": np.ones((1, 1, 4, 4), np.float32)})["y"].shape == (1, 2, 2)
    assert runtime.actual == Actual("ov:CPU")


def test_a_folders_name_is_to_blame_for_nothing(monkeypatch, tmp_path):
    """A broken model in a folder named after the provider is still a broken model."""
    folder = tmp_path / "openvino"
    folder.mkdir()
    install(monkeypatch, offered=[OPENVINO], devices=["CPU"], error=f"{folder} is no model")

    with pytest.raises(RuntimeOpenError):
        OnnxOpenVinoRuntime.open(folder, RuntimeOptions())


def test_each_device_is_an_accelerator(monkeypatch):
    """The fastest kind first; one that is of no kind we know is left alone."""
    install(monkeypatch, offered=[OPENVINO], devices=["CPU", "GNA", "GPU.0", "GPU.1", "NPU"])

    found = [one.accelerator for one in OnnxOpenVinoRuntime.detect()]

    assert found == ["ov:GPU.0", "ov:GPU.1", "ov:NPU", "ov:CPU"]
    assert [one.accelerator for one in OnnxCudaRuntime.detect()] == []


def test_the_device_is_what_was_asked_for(monkeypatch, model):
    """With threads, and in a precision that keeps float32 where the device can."""
    session = install(
        monkeypatch, offered=[OPENVINO], got=[OPENVINO], devices=["CPU", "GPU.1"],
        placed={OPENVINO: ["Conv"]},
    )  # fmt: skip

    OnnxOpenVinoRuntime.open(model, RuntimeOptions(threads=3, accelerator="ov:GPU.1")).close()

    said = {"device_type": "GPU.1", "precision": "FP32", "num_of_threads": "3"}
    assert session.made == ([OPENVINO, CPU], [said, {}])


def test_what_tensorrt_leaves_runs_by_cuda(monkeypatch, model):
    """On the same GPU, before the processor gets it; and it is told."""
    placed = {TENSORRT: ["Conv"], CUDA: ["NonZero"]}
    monkeypatch.setattr(OnnxTensorRtRuntime, "_load_problem", lambda ort: "")
    monkeypatch.setenv("PACELINE_CACHE", str(model.parent))
    session = install(monkeypatch, offered=[TENSORRT, CUDA], got=[TENSORRT, CUDA], placed=placed)

    runtime = OnnxTensorRtRuntime.open(model, RuntimeOptions(accelerator="gpu:1"))

    assert session.made[0] == [TENSORRT, CUDA, CPU]
    assert [given.get("device_id") for given in session.made[1]] == ["1", "1", None]
    assert runtime.actual == Actual("gpu:1", "1 of 2 operators run elsewhere: NonZero by CUDA")


def test_a_gpu_without_tensorrt_is_no_accelerator_of_it(monkeypatch):
    """Most builds of onnxruntime offer it where it is not installed."""
    install(monkeypatch, offered=[TENSORRT, CUDA])

    assert OnnxTensorRtRuntime.detect() == ()
    assert [one.accelerator for one in OnnxCudaRuntime.detect()] == ["gpu:0", "gpu:1"]
