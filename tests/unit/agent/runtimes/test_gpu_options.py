"""What the GPU's providers are told, and what of a GPU's failures means that it is lost."""

import os

import numpy as np
import pytest

from agent.errors import AcceleratorLostError, AcceleratorMissingError, RuntimeFailedError
from agent.runtimes import RuntimeOptions, _nvidia, _onnx_proof
from agent.runtimes.onnx_cuda import OnnxCudaRuntime
from agent.runtimes.onnx_tensorrt import OnnxTensorRtRuntime, TensorRtOptions
from tests.unit.agent.runtimes.stand_in import CUDA, TENSORRT, install
from wire.tensors import TensorSpec


def test_float32_stays_float32_on_cuda():
    """The golden frame was made so; and a first run does not try all algorithms out."""
    assert OnnxCudaRuntime.providers("gpu:1", None, RuntimeOptions())[CUDA] == {
        "device_id": "1",
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",
    }


def test_a_jetsons_memory_is_the_systems_too(monkeypatch):
    """A session may have half of it."""
    monkeypatch.setattr(_nvidia, "is_jetson", lambda: True)
    half = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2

    said = OnnxCudaRuntime.providers("gpu:0", None, RuntimeOptions())[CUDA]

    assert said["gpu_mem_limit"] == str(half)


def test_float16_is_off_and_engines_are_kept():
    """Unless there is no segment to keep them for: the proof's is built as fast as can be."""
    kept = TensorRtOptions(0, "/engines/a", "/engines/a").as_strings()

    assert kept["trt_fp16_enable"] == "0"
    assert kept["trt_engine_cache_enable"] == kept["trt_timing_cache_enable"] == "1"
    assert kept["trt_engine_cache_path"] == "/engines/a"
    proof = OnnxTensorRtRuntime.providers("gpu:0", None, RuntimeOptions())[TENSORRT]
    assert proof["trt_engine_cache_enable"] == "0"
    assert proof["trt_builder_optimization_level"] == "0"
    assert "trt_engine_cache_path" not in proof
    assert "trt_builder_optimization_level" not in kept


def test_a_disk_that_takes_no_engine_stops_nothing(tmp_path, monkeypatch):
    """Then it is built each time."""
    (tmp_path / "engines").write_text("a file where a folder should be")
    (tmp_path / "m.onnx").write_bytes(_onnx_proof.MODEL)
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path))

    said = OnnxTensorRtRuntime.providers("gpu:0", tmp_path / "m.onnx", RuntimeOptions())

    assert said[TENSORRT]["trt_engine_cache_enable"] == "0"


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((1, 3, 224, 224), None),
        (("batch", 3), "dimension batch of input 'x' has no fixed size"),
        ((1, "batch"), "make_dynamic_shape_fixed --dim_param batch --dim_value 1 OLD NEW`"),
        ((1, ""), "dimension number 1 of input 'x' has no fixed size"),
    ],
)
def test_an_engine_needs_fixed_sizes(shape, says):
    """What has none is refused by name, with what to do."""
    inputs = (TensorSpec(name="x", dtype=1, shape=shape),)
    if says is None:
        OnnxTensorRtRuntime.check_inputs("gpu:0", inputs)
        return

    with pytest.raises(AcceleratorMissingError) as raised:
        OnnxTensorRtRuntime.check_inputs("gpu:0", inputs)

    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("CUDA failure 700: an illegal memory access was encountered", AcceleratorLostError),
        ("CUDA failure 2: out of memory", AcceleratorLostError),
        ("Failed to allocate memory for requested buffer of size 8", MemoryError),
        ("Got invalid dimensions for input: x", RuntimeFailedError),
    ],
)
def test_a_gpu_that_failed_is_lost(monkeypatch, tmp_path, error, expected):
    """The process gets no answer from it any more; other failures are the frame's."""
    monkeypatch.setattr(_nvidia, "gpus", lambda: {"gpu:0": "NVIDIA T4"})
    session = install(monkeypatch, offered=[CUDA], got=[CUDA], placed={CUDA: ["Conv"]})
    (tmp_path / "m.onnx").write_bytes(_onnx_proof.MODEL)
    runtime = OnnxCudaRuntime.open(tmp_path / "m.onnx", RuntimeOptions())

    def fail(self, names, feeds):
        raise RuntimeError(error)

    session.run = fail
    with pytest.raises(expected):
        runtime.run({"x": np.ones((1, 1, 4, 4), np.float32)})
