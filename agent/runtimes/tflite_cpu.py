"""TFLite segments on the CPU, by LiteRT (ai-edge-litert), else by tflite-runtime.

Without optimisations its own kernels run, and a cut model answers bit by bit as the whole one;
with them XNNPACK takes what it can and copies weights into the order that it likes.
"""

from pathlib import Path
from typing import ClassVar, Final, Self

from agent.runtimes import Actual, Capability, RuntimeOptions
from agent.runtimes._tflite import InterpretedSegment, Interpreter, capability, library
from agent.runtimes._tflite_proof import prove_interpreter
from wire import segment_files

NAME: Final = "tflite_cpu"


class TfliteCpuRuntime(InterpretedSegment):
    """One TFLite interpreter on CPU threads."""

    FORMATS: ClassVar[tuple[str, ...]] = ("tflite",)
    FALLBACK: ClassVar[str] = ""
    any_thread: ClassVar[bool] = True

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
        path = segment / segment_files.TFLITE if segment.is_dir() else segment
        return cls(Interpreter(NAME, path, options))


PLUGIN = TfliteCpuRuntime
