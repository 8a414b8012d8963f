"""TFLite segments compiled for a Coral Edge TPU, by libedgetpu: one delegate for each segment.

Google's ``pycoral`` makes the delegate where it is installed, with the tflite-runtime that it
brings; else LiteRT is given the library itself. Both are the same delegate, with the same answers.
What the compiler left over runs on the processor, in the same interpreter.
"""

import importlib.util
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from agent import coral
from agent.errors import AcceleratorLostError, AcceleratorMissingError, RuntimeOpenError
from agent.runtimes import Actual, Capability, RuntimeOptions
from agent.runtimes._tflite import (
    InterpretedSegment,
    Interpreter,
    capability,
    imported,
    library,
)
from agent.runtimes._tflite_delegate import Delegate, DelegateError
from agent.runtimes._tflite_proof import prove_interpreter
from wire import segment_files
from wire.model.errors import ModelError
from wire.model.tflite_files import tflite_operators
from wire.tflite.operators import EDGETPU_CUSTOM_OP

NAME: Final = "tflite_edgetpu"


class TfliteEdgetpuRuntime(InterpretedSegment):
    """One TFLite interpreter whose compiled operators run on an Edge TPU.

    A delegate that failed once has lost its device.
    """

    FORMATS: ClassVar[tuple[str, ...]] = ("tflite",)
    FALLBACK: ClassVar[str] = "tflite_cpu"
    any_thread: ClassVar[bool] = False

    @classmethod
    def detect(cls) -> tuple[Capability, ...]:
        """Return the Edge TPUs that the kernel lists; none is opened.

        Nothing where there is no interpreter.
        """
        try:
            library()
        except ImportError:
            return ()
        found = coral.accelerators(coral.sysfs())
        return tuple(capability(NAME, name, memory_bytes=coral.ON_CHIP_BYTES) for name in found)

    @classmethod
    def prove(cls, accelerator: str = "") -> None:
        """Open the device and run a tiny model with its delegate; see ``Runtime``.

        That model has nothing for the Edge TPU itself: only Coral's compiler makes such a one. So
        this shows that device, delegate and interpreter work together; what the Edge TPU computes
        is compared by each segment's golden frame, before it serves.
        """
        delegate, module = _delegate(accelerator or _first(), imported(NAME, "its proof"))
        try:
            prove_interpreter(NAME, [delegate], module)
        finally:
            _close(delegate)

    @classmethod
    def open(cls, segment: Path, options: RuntimeOptions) -> Self:
        """Load a segment's folder or a model's file; see ``Runtime``."""
        accelerator = options.accelerator or _first()
        path = segment / segment_files.EDGETPU if segment.is_dir() else segment
        if not _compiled(path):
            problem = f"{path.name} was not compiled for it; `paceline split --for edgetpu` does"
            raise AcceleratorMissingError(NAME, accelerator, problem)
        delegate, module = _delegate(accelerator, imported(NAME, str(segment)))
        try:
            lost = partial(AcceleratorLostError, NAME, accelerator)
            interpreter = Interpreter(NAME, path, options, [delegate], module, lost)
        except RuntimeOpenError as error:  # the file was scanned: it is the delegate that refuses
            _close(delegate)
            problem = f"its delegate did not take the segment: {error.problem}"
            raise AcceleratorMissingError(NAME, accelerator, problem) from error
        except BaseException:
            _close(delegate)
            raise
        return cls(interpreter, delegate, accelerator)

    def __init__(self, interpreter: Interpreter, delegate: Any, accelerator: str) -> None:
        super().__init__(interpreter)
        self._delegate = delegate
        self._accelerator = accelerator

    @property
    def actual(self) -> Actual:
        """The Edge TPU: an interpreter with an operator that nobody took does not open."""
        return Actual(self._accelerator)

    def close(self) -> None:
        """Give memory and device back; closing twice is harmless."""
        super().close()
        delegate, self._delegate = self._delegate, None
        _close(delegate)


def _first() -> str:
    """Return the first Edge TPU that the kernel lists; empty: the library shall find one."""
    return next(iter(coral.accelerators(coral.sysfs())), "")


def _compiled(path: Path) -> bool:
    """Whether there is a file with something for an Edge TPU in it."""
    try:
        return EDGETPU_CUSTOM_OP in tflite_operators(path)
    except ModelError:
        return False


def _delegate(accelerator: str, module: Any) -> tuple[Any, Any]:
    """Return a delegate that holds the device, and the interpreter's module for it.

    Raises:
        AcceleratorMissingError: There is no such device, or it cannot be used.
    """
    options = {"device": accelerator} if accelerator else {}
    try:
        if coral.library() == coral.LIBRARY and _is_here("pycoral", "utils/edgetpu.py"):
            from pycoral.utils import edgetpu  # noqa: PLC0415 the file must import without it
            from tflite_runtime import interpreter  # noqa: PLC0415

            return edgetpu.load_edgetpu_delegate(options), interpreter
        return Delegate(coral.library(), options), module
    except (DelegateError, ImportError, ValueError, OSError) as error:
        problem = f"{coral.library()} gives no Edge TPU ({error})"
        raise AcceleratorMissingError(NAME, accelerator, problem) from error


def _is_here(package: str, file: str) -> bool:
    """Whether a package is installed with this file; none of it is imported.

    The registry's ``pycoral`` is another program: it must not run here.
    """
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec is not None else None
    return any(Path(folder, file).is_file() for folder in folders or ())


def _close(delegate: Any) -> None:
    if isinstance(delegate, Delegate):  # pycoral's ends with its last reference
        delegate.close()


PLUGIN = TfliteEdgetpuRuntime
