"""ONNX segments on NVIDIA's GPUs by TensorRT, which builds an engine for this very GPU.

Building takes seconds to many minutes, once for a segment: `agent.runtimes._tensorrt_engines`. What
TensorRT does not take runs by CUDA, else on the CPU, and is told.
"""

import ctypes
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from agent.errors import AcceleratorMissingError
from agent.runtimes import RuntimeOptions, _nvidia, _tensorrt_engines
from agent.runtimes._onnx_library import imported
from agent.runtimes._onnxruntime import OnnxRuntime
from agent.runtimes.onnx_cuda import OnnxCudaRuntime
from wire.tensors import TensorSpec

WORKSPACE_BYTES: Final = 1 << 30
FIXES_SIZES: Final = "python -m onnxruntime.tools.make_dynamic_shape_fixed"
_INFER: Final = "/libnvinfer.so"


@dataclass(frozen=True, slots=True)
class TensorRtOptions:
    """The provider's options, named as it names them.

    Source: https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html
    """

    device_id: int
    trt_engine_cache_path: str | None = None
    """None: the engine is not kept."""
    trt_timing_cache_path: str | None = None
    """What kernels took, for whatever is built next."""
    trt_fp16_enable: Literal[0, 1] = 0
    """Float32 stays float32: the golden frame was made so."""
    trt_max_workspace_size: int = WORKSPACE_BYTES
    """What a kernel may take while it runs, in bytes."""
    trt_builder_optimization_level: int | None = None
    """0 to 5: how long it looks for good kernels; None: its default, 3."""

    def as_strings(self) -> dict[str, str]:
        """Return them as onnxruntime takes them."""
        given = {name: str(value) for name, value in asdict(self).items() if value is not None}
        given["trt_engine_cache_enable"] = str(int(self.trt_engine_cache_path is not None))
        given["trt_timing_cache_enable"] = str(int(self.trt_timing_cache_path is not None))
        return given


class OnnxTensorRtRuntime(OnnxRuntime):
    """One onnxruntime session on one GPU, its operators built into TensorRT's engines."""

    NAME: ClassVar[str] = "onnx_tensorrt"
    PROVIDER: ClassVar[str] = "TensorrtExecutionProvider"

    @classmethod
    def accelerators(cls, ort: Any) -> tuple[str, ...]:
        """Return the GPUs, where TensorRT is installed: most builds offer it where it is not."""
        found = tuple(_nvidia.gpus())
        if found:
            cls.prepare(ort)
        return found if found and not cls._load_problem(ort) else ()

    @classmethod
    def prepare(cls, ort: Any) -> None:
        """Load the libraries that came as Python packages."""
        _nvidia.prepare(ort)

    @classmethod
    def why_missing(cls, ort: Any) -> str:
        """Return which library it could not load, which onnxruntime tells its log alone."""
        return cls._load_problem(ort) or super().why_missing(ort)

    @classmethod
    def _load_problem(cls, ort: Any) -> str:
        return _nvidia.load_problem(_nvidia.provider_library(ort, "tensorrt"))

    @classmethod
    def providers(
        cls,
        accelerator: str,
        segment: Path | None,
        options: RuntimeOptions,
    ) -> Mapping[str, Mapping[str, str]]:
        """Return the GPU, where its engines for this segment are kept, and CUDA on the same GPU."""
        given = cls._options(_nvidia.place(accelerator), accelerator, segment)
        cuda = OnnxCudaRuntime.providers(accelerator, segment, options)
        return {cls.PROVIDER: given.as_strings(), **cuda}

    @classmethod
    def _options(cls, device: int, accelerator: str, segment: Path | None) -> TensorRtOptions:
        if segment is None:
            return TensorRtOptions(device, trt_builder_optimization_level=0)
        versions = (imported().__version__, str(infer_version()))
        key = _tensorrt_engines.key(_nvidia.gpus().get(accelerator, ""), versions)
        folder = _tensorrt_engines.folder_of(segment, key)
        try:
            _tensorrt_engines.make_ready(folder, segment)
        except OSError:  # a disk that takes nothing must not stop what could run
            return TensorRtOptions(device)
        return TensorRtOptions(device, str(folder), str(folder))

    @classmethod
    def check_inputs(cls, accelerator: str, inputs: tuple[TensorSpec, ...]) -> None:
        """Refuse what has no fixed size: an engine would be built anew for each size that comes.

        Raises:
            AcceleratorMissingError: A dimension has none.
        """
        for spec in inputs:
            for place, size in enumerate(spec.shape):
                if not isinstance(size, int):
                    which = f"{size} of" if size else f"number {place} of"
                    how = f"--dim_param {size} --dim_value 1" if size else "--input_shape ..."
                    problem = (
                        f"dimension {which} input {spec.name!r} has no fixed size, and an engine"
                        f" needs one: split the model again after `{FIXES_SIZES} {how} OLD NEW`"
                    )
                    raise AcceleratorMissingError(cls.NAME, accelerator, problem)


def infer_version(maps: Path = Path("/proc/self/maps")) -> int:
    """Return the version of the TensorRT that this process has loaded; 0: it has none."""
    paths = {line.split(maxsplit=5)[-1] for line in maps.read_text().splitlines() if _INFER in line}
    for path in sorted(paths):
        return int(ctypes.CDLL(path).getInferLibVersion())
    return 0


PLUGIN = OnnxTensorRtRuntime
