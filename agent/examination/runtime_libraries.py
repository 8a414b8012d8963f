"""What repairs a runtime's library, and which builds of onnxruntime are for which device. Data.

Each build owns the import name `onnxruntime`: one replaces another, and they cannot be mixed.
"""

import sys
from dataclasses import dataclass
from typing import Final

from agent.examination.subject import Subject

_PIP: Final = f"{sys.executable} -m pip"
_GONE: Final = f"{_PIP} uninstall -y onnxruntime onnxruntime-gpu onnxruntime-openvino"
_CPU: Final = f"{_GONE} && {_PIP} install 'paceline[cpu]'"
_GPU: Final = f"{_GONE} && {_PIP} install 'onnxruntime-gpu[cuda,cudnn]'"
_JETSON: Final = (
    f"sudo apt-get install nvidia-jetpack, then {_GONE} and {_PIP} install the onnxruntime-gpu"
    " that NVIDIA builds for this JetPack"
)
_OPENVINO: Final = f"{_GONE} && {_PIP} install 'paceline[openvino]'"
_TENSORRT: Final = (
    "install the TensorRT that this onnxruntime-gpu was built with"
    " (https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html), or assign"
    " onnx_cuda instead: paceline deploy --runtime onnx_cuda"
)
_CORAL: Final = f"{_PIP} install --force-reinstall 'paceline[coral]'"
_OTHERS: Final = "reinstall its library, or assign another runtime: paceline deploy --runtime NAME"
_CRASHED: Final = "its proof was ended by "


@dataclass(frozen=True, slots=True)
class Build:
    """A distribution with onnxruntime for some device."""

    distribution: str
    runtime: str
    """What runs segments by it."""

    def why_idle(self, subject: Subject) -> tuple[str, str]:
        """Return why the runtime finds nothing, and what to do."""
        if self.runtime == "onnx_openvino":
            why = "the onnxruntime that is imported has no OpenVINO provider"
            return why, _OPENVINO
        if not has_nvidia(subject):
            return "there is no NVIDIA GPU with its driver here; all runs on the processor", _CPU
        driver = "install NVIDIA's driver; a container is started with --gpus all"
        return "the driver's library libcuda.so.1 cannot be loaded", driver


BUILDS: Final = (
    Build("onnxruntime-gpu", "onnx_cuda"),
    Build("onnxruntime-openvino", "onnx_openvino"),
)


def repair(runtime: str, reason: str, subject: Subject) -> str:
    """Return what repairs a runtime's library.

    Args:
        runtime: The runtime's name.
        reason: What its proof came to.
        subject: The machine.
    """
    repairs = {
        "onnx_cpu": _CPU,
        "onnx_cuda": _JETSON if is_jetson(subject) else _GPU,
        "onnx_openvino": _OPENVINO,
        "onnx_tensorrt": _TENSORRT,
        "tflite_cpu": _CORAL,
    }
    known = repairs.get(runtime, _OTHERS)
    if reason.startswith(_CRASHED) and known != _OTHERS:
        return f"{known}; or assign another runtime: paceline deploy --runtime NAME"
    return known


def is_jetson(subject: Subject) -> bool:
    """Whether the machine is a Jetson."""
    tegra = "nvidia,tegra" in (subject.text("proc/device-tree/compatible") or "")
    return tegra or subject.path("etc/nv_tegra_release").exists()


def has_nvidia(subject: Subject) -> bool:
    """Whether the machine has a GPU of NVIDIA's whose driver is loaded."""
    return is_jetson(subject) or subject.path("proc/driver/nvidia/version").exists()
