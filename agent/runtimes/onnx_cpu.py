"""ONNX segments on the CPU, by onnxruntime."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from agent.runtimes import RuntimeOptions
from agent.runtimes._onnx_placement import CPU
from agent.runtimes._onnxruntime import OnnxRuntime


class OnnxCpuRuntime(OnnxRuntime):
    """One onnxruntime session on CPU threads."""

    NAME: ClassVar[str] = "onnx_cpu"
    PROVIDER: ClassVar[str] = CPU
    FALLBACK: ClassVar[str] = ""
    any_thread: ClassVar[bool] = True

    @classmethod
    def accelerators(cls, ort: Any) -> tuple[str, ...]:  # noqa: ARG003 there is one
        """Return the processor."""
        return ("cpu",)

    @classmethod
    def providers(
        cls,
        accelerator: str,  # noqa: ARG003 there is one
        segment: Path | None,  # noqa: ARG003
        options: RuntimeOptions,  # noqa: ARG003 threads are the session's own
    ) -> Mapping[str, Mapping[str, str]]:
        """Return the processor's, which has no options that we set."""
        return {CPU: {}}


PLUGIN = OnnxCpuRuntime
