"""TFLite segments on the CPU, by LiteRT (ai-edge-litert), else by tflite-runtime.

Without optimisations its own kernels run, and a cut model answers bit by bit as the whole one;
with them XNNPACK takes what it can and copies weights into the order that it likes.
"""

from pathlib import Path
from typing import ClassVar, Final, Self

from agent.runtimes import Actual, Capability, OperatorTimes, RuntimeOptions, Tensors
from agent.runtimes._tflite import TWIN_FILE, Interpreter, capability, library
from agent.runtimes._tflite_proof import prove_interpreter
from wire.tensors import TensorSpec

NAME: Final = "tflite_cpu"


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
        prove_interpreter(NAME)

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
