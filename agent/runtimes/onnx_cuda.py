"""ONNX segments on NVIDIA's GPUs, in cards and in Jetsons, by onnxruntime's CUDA provider."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from agent.runtimes import RuntimeOptions, _nvidia
from agent.runtimes._onnxruntime import OnnxRuntime

JETSON_SHARE: Final = 0.5
"""Of a Jetson's memory that one session's arena may take: it is the system's, too."""


@dataclass(frozen=True, slots=True)
class CudaOptions:
    """The provider's options, named as it names them.

    Source: https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html
    """

    device_id: int
    gpu_mem_limit: int | None = None
    """Of its arena, in bytes; None: as much as there is."""
    arena_extend_strategy: Literal["kNextPowerOfTwo", "kSameAsRequested"] = "kSameAsRequested"
    """Doubling takes up to twice the memory that a segment needs."""
    cudnn_conv_algo_search: Literal["EXHAUSTIVE", "HEURISTIC", "DEFAULT"] = "HEURISTIC"
    """Its default tries all of them out at the first run, which takes seconds and memory."""
    use_tf32: Literal[0, 1] = 0
    """Float32 stays float32: the golden frame was made so."""

    def as_strings(self) -> dict[str, str]:
        """Return them as onnxruntime takes them."""
        return {name: str(value) for name, value in asdict(self).items() if value is not None}


class OnnxCudaRuntime(OnnxRuntime):
    """One onnxruntime session on one GPU."""

    NAME: ClassVar[str] = "onnx_cuda"
    PROVIDER: ClassVar[str] = "CUDAExecutionProvider"

    @classmethod
    def accelerators(cls, ort: Any) -> tuple[str, ...]:  # noqa: ARG003 the kernel knows
        """Return the GPUs: whether the libraries for them are here, the proof tells."""
        return tuple(_nvidia.gpus())

    @classmethod
    def prepare(cls, ort: Any) -> None:
        """Load the libraries that came as Python packages."""
        _nvidia.prepare(ort)

    @classmethod
    def why_missing(cls, ort: Any) -> str:
        """Return which library it could not load, which onnxruntime tells its log alone."""
        problem = _nvidia.load_problem(_nvidia.provider_library(ort, "cuda"))
        return problem or super().why_missing(ort)

    @classmethod
    def providers(
        cls,
        accelerator: str,
        segment: Path | None,  # noqa: ARG003 none depends on it
        options: RuntimeOptions,  # noqa: ARG003 a GPU has no threads to set
    ) -> Mapping[str, Mapping[str, str]]:
        """Return the GPU, and how much of a Jetson's memory may be taken."""
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        limit = int(memory * JETSON_SHARE) if _nvidia.is_jetson() else None
        given = CudaOptions(_nvidia.place(accelerator), gpu_mem_limit=limit)
        return {cls.PROVIDER: given.as_strings()}


PLUGIN = OnnxCudaRuntime
