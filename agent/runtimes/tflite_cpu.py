"""TFLite segments on the CPU, by LiteRT (ai-edge-litert), else by tflite-runtime.

Without optimisations its own kernels run, and a cut model answers bit by bit as the whole one;
with them XNNPACK takes what it can and copies weights into the order that it likes.
"""

from pathlib import Path
from typing import ClassVar, Final, Self

import numpy as np

from agent.errors import RuntimeFailedError
from agent.runtimes import Actual, Capability, OperatorTimes, RuntimeOptions, Tensors
from agent.runtimes._tflite import TWIN_FILE, Interpreter, capability, library
from wire.tensors import TensorSpec

NAME: Final = "tflite_cpu"

_PROOF: Final = bytes.fromhex(
    "1800000054464c3300000e00140010000c000800000004000e00000010000000400000004c0100000300"
    "0000020000002c0000000c00000000000600080004000600000004000000100000000000803f00004040"
    "0000004000008040a8ffffff01000000100000000c00140010000c00080004000c000000100000005800"
    "00005c00000060000000010000001400000000000e001400000010000c000b0004000e00000014000000"
    "00000008100000001400000004000400040000000100000002000000030000000000000001000000ffff"
    "ffff0100000002000000010000000000000003000000680000003400000004000000b0ffffff08000000"
    "0c00000001000000790000000200000001000000020000000c0010000c000000080004000c0000000c00"
    "0000010000000c00000001000000770000000200000002000000020000000c000c000800000000000400"
    "0c000000080000000c000000010000007800000002000000010000000200000001000000100000000c00"
    "0c000b000000000004000c0000000900000000000009"
)
"""A TFLite model: y = FULLY_CONNECTED(x, [[1, 3], [2, 4]]) with x and y float32 [1, 2]."""


class TfliteCpuRuntime:
    """One TFLite interpreter on CPU threads."""

    FORMATS: ClassVar[tuple[str, ...]] = ("tflite",)
    FALLBACK: ClassVar[str] = ""

    actual = Actual("cpu")

    @classmethod
    def detect(cls) -> tuple[Capability, ...]:
        """Return what is here: nothing where no interpreter can be imported."""
        try:
            library()
        except ImportError:
            return ()
        return (capability(NAME, "cpu", memory_bytes=None),)

    @classmethod
    def prove(cls, accelerator: str = "") -> None:  # noqa: ARG003 the port's shape
        """Multiply two small matrices and compare; see ``Runtime``."""
        runtime = cls(Interpreter(NAME, _PROOF, RuntimeOptions()))
        got = runtime.run({"x": np.ones((1, 2), np.float32)})["y"].tolist()
        runtime.close()
        if got != [[4.0, 6.0]]:
            raise RuntimeFailedError(NAME, f"its proof gave {got} (expected [[4.0, 6.0]])")

    @classmethod
    def open(cls, segment: Path, options: RuntimeOptions) -> Self:
        """Load a segment's folder or a model's file; see ``Runtime``.

        By path: the file is mapped, and its pages are shared with whoever else opened it.
        """
        path = segment / TWIN_FILE if segment.is_dir() else segment
        return cls(Interpreter(NAME, path, options))

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What ``run`` takes, in the model's order."""
        return self._interpreter.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What ``run`` returns, in the model's order."""
        return self._interpreter.outputs

    def run(self, inputs: Tensors) -> Tensors:
        """Run once; see ``Runtime``."""
        return self._interpreter.run(inputs)

    def operator_times(self) -> tuple[OperatorTimes, ...]:
        """Return nothing: the interpreter's Python interface does not time operators."""
        return ()

    def close(self) -> None:
        """Give the interpreter's memory back; closing twice is harmless."""
        self._interpreter.close()


PLUGIN = TfliteCpuRuntime
