"""ONNX segments on Intel processors, GPUs and NPUs, by onnxruntime's OpenVINO provider.

Its distribution (`onnxruntime-openvino`) owns the import name `onnxruntime` as well: it lives in an
environment without the usual one. OpenVINO makes one kernel of all operators in a row that it
takes, so a profile of operators tells of that kernel alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from agent.runtimes import RuntimeOptions
from agent.runtimes._onnxruntime import OnnxRuntime

PREFIX: Final = "ov:"
BEST_FIRST: Final = ("GPU", "NPU", "CPU")
PRECISION: Final = {"CPU": "FP32", "GPU": "FP32", "NPU": "ACCURACY"}
"""What a device would else round to (GPU and NPU: float16) is not what the golden frame says."""


class OnnxOpenVinoRuntime(OnnxRuntime):
    """One onnxruntime session on one of OpenVINO's devices."""

    NAME: ClassVar[str] = "onnx_openvino"
    PROVIDER: ClassVar[str] = "OpenVINOExecutionProvider"
    TIMED: ClassVar[bool] = True

    @classmethod
    def accelerators(cls, ort: Any) -> tuple[str, ...]:  # noqa: ARG003 its own module knows
        """Return OpenVINO's devices, such as ``ov:GPU.0``; those of a kind in its own order."""
        from onnxruntime.capi import _pybind_state as state  # noqa: PLC0415 this build's alone

        found = [name for name in state.get_available_openvino_device_ids() if _kind(name)]
        return tuple(PREFIX + name for name in sorted(found, key=_rank))

    @classmethod
    def providers(
        cls,
        accelerator: str,
        segment: Path | None,  # noqa: ARG003 none depends on it
        options: RuntimeOptions,
    ) -> Mapping[str, Mapping[str, str]]:
        """Return device, threads, and a precision that keeps float32."""
        device = accelerator.removeprefix(PREFIX)
        given = {
            "device_type": device,
            "precision": PRECISION[_kind(device)],
            "num_of_threads": str(options.threads),
        }
        return {cls.PROVIDER: given}


def _kind(device: str) -> str:
    """Return the kind of a device such as ``GPU.1``; empty: none that we know."""
    kind = device.partition(".")[0]
    return kind if kind in BEST_FIRST else ""


def _rank(device: str) -> int:
    return BEST_FIRST.index(_kind(device))


PLUGIN = OnnxOpenVinoRuntime
