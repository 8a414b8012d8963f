"""What the TFLite runtimes share: one interpreter, opened by path and called by tensor names.

The interpreter is LiteRT's, else that of its predecessor tflite-runtime; they have the same shape.
Neither checks a model's file: that it is sound was proved before (``agent.opening``).
"""

import resource
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from agent.errors import RuntimeFailedError, RuntimeOpenError
from agent.runtimes import Capability, OperatorTimes, RuntimeOptions, Tensors
from wire import segment_files
from wire.errors import CodedError
from wire.tensors import ELEMENT_TYPES, TensorSpec
from wire.tflite.operators import EDGETPU_CUSTOM_OP

_DTYPES: Final = {np.dtype(kind.name): number for number, kind in ELEMENT_TYPES.items()}
_NO_MEMORY: Final = ("annot allocate memory", "bad_alloc", "ailed to allocate memory")
_NOT_MAPPED: Final = "failed to map segment from shared object"
_PERHAPS: Final = (
    "failed to create XNNPACK runtime",
    "failed to reshape runtime",
    "(TfLiteXNNPackDelegate) failed to prepare",
)
"""What XNNPACK says for want of memory, and when a graph is wrong: what we open was scanned."""


def library() -> Any:
    """Import and return the interpreter's module.

    Raises:
        ImportError: There is neither of them, or it does not load.
    """
    try:
        from ai_edge_litert import interpreter  # noqa: PLC0415 the file must import without it
    except ModuleNotFoundError:
        from tflite_runtime import interpreter  # noqa: PLC0415
    return interpreter


def version() -> str | None:
    """Return the installed interpreter's name and version."""
    for name in ("ai-edge-litert", "tflite-runtime"):
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return None


def imported(runtime: str, segment: str) -> Any:
    """Import and return the interpreter's module.

    Raises:
        RuntimeOpenError: It cannot be imported.
        MemoryError: There is not enough for it.
    """
    try:
        return library()
    except ImportError as error:
        check_memory(error)
        problem = f"no LiteRT here: {error}; install paceline[coral]"
        raise RuntimeOpenError(runtime, segment, problem) from error


class Interpreter:
    """One model, opened; called from one thread at a time."""

    def __init__(
        self,
        runtime: str,
        model: Path | bytes,
        options: RuntimeOptions,
        delegates: Sequence[Any] = (),
        module: Any = None,
        failed: Callable[[str], CodedError] | None = None,
    ) -> None:
        """Open ``model``, by path so that the file is mapped, and allocate its tensors.

        Args:
            runtime: Who errors speak of.
            model: A file, or a whole model's bytes.
            options: How to load it.
            delegates: Those who may take operators first; they outlive the interpreter.
            module: The interpreter's; None: the one that is installed.
            failed: Makes the error of a run that failed, and not by its inputs, of its reason.

        Raises:
            RuntimeOpenError: The library refuses it.
            MemoryError: There is not enough for it.
        """
        self.runtime = runtime
        self._failed = failed or partial(RuntimeFailedError, runtime)
        self.segment = "its proof" if isinstance(model, bytes) else str(model)
        module = module or imported(runtime, self.segment)
        resolver = module.OpResolverType
        plain = not options.optimisations or options.weights == "mapped"
        file: dict[str, Any]
        file = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
        try:
            self._interpreter: Any = module.Interpreter(
                **file,
                num_threads=options.threads,
                experimental_delegates=list(delegates) or None,
                experimental_op_resolver_type=(
                    resolver.BUILTIN_WITHOUT_DEFAULT_DELEGATES if plain else resolver.AUTO
                ),
            )
            allocated = self._allocated()
        except Exception as error:  # they have no other common base
            self._interpreter = None
            _let_go(error)
            check_memory(error, opening=True)
            problem = sentence(error) if delegates else _explained(error)
            raise RuntimeOpenError(runtime, self.segment, problem) from error
        taken, given = (
            self._interpreter.get_input_details(),
            self._interpreter.get_output_details(),
        )
        if options.tensors_only:
            given = [detail for detail in given if np.dtype(detail["dtype"]) in _DTYPES]
        self.inputs = self._specs(taken)
        self.outputs = self._specs(given)
        self._taken = [(detail["name"], detail["index"]) for detail in taken]
        self._given = [(detail["name"], detail["index"]) for detail in given]
        sizes = {detail["name"]: tuple(map(int, detail["shape"])) for detail in taken}
        self._shapes = sizes if allocated else {}

    def _allocated(self) -> bool:
        """Allocate for the sizes in the file; False: they do not run, and others are to come.

        Raises:
            Exception: They do not run, and no size varies; the library's own.
        """
        try:
            self._interpreter.allocate_tensors()
        except Exception as error:  # they have no other common base
            check_memory(error, opening=True)
            details = self._interpreter.get_input_details()
            if not any(-1 in detail["shape_signature"] for detail in details):
                raise
            return False
        return True

    def _specs(self, details: Sequence[Any]) -> tuple[TensorSpec, ...]:
        specs = []
        for detail in details:
            name, kind = detail["name"], np.dtype(detail["dtype"])
            if kind not in _DTYPES:
                problem = f"{name!r} is {kind}, which may not cross a cut"
                raise RuntimeOpenError(self.runtime, self.segment, problem)
            sizes = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
            shape = tuple("" if size < 0 else int(size) for size in sizes)
            specs.append(TensorSpec(name=name, dtype=_DTYPES[kind], shape=shape))
        names = [spec.name for spec in specs]
        if len(set(names)) < len(names):
            problem = f"several tensors have the same name ({names})"
            raise RuntimeOpenError(self.runtime, self.segment, problem)
        return tuple(specs)

    def run(self, inputs: Tensors) -> Tensors:
        """Run once; outputs are in memory of their own.

        Raises:
            RuntimeFailedError: The inputs do not fit, or the run failed.
            CodedError: The run failed, and ``failed`` made this of it.
            MemoryError: There was not enough for it.
        """
        if self._interpreter is None:
            raise RuntimeFailedError(self.runtime, "the segment is closed")
        missing = [name for name, _ in self._taken if name not in inputs]
        if missing:
            raise RuntimeFailedError(self.runtime, f"inputs {missing} are missing")
        try:
            self._fit(inputs)
            for name, index in self._taken:
                self._interpreter.set_tensor(index, inputs[name])
        except Exception as error:  # they have no other common base
            check_memory(error)
            raise RuntimeFailedError(self.runtime, sentence(error)) from error
        try:
            self._interpreter.invoke()
            return {name: self._interpreter.get_tensor(index) for name, index in self._given}
        except Exception as error:
            _let_go(error)
            check_memory(error)
            raise self._failed(sentence(error)) from error

    def _fit(self, inputs: Tensors) -> None:
        """Allocate for the shapes of ``inputs``, where they are not those of the run before."""
        shapes = {name: inputs[name].shape for name, _ in self._taken}
        if shapes == self._shapes:
            return
        before, self._shapes = self._shapes, {}  # until all of it worked
        for name, index in self._taken:
            if shapes[name] != before.get(name):
                self._interpreter.resize_tensor_input(index, shapes[name], strict=True)
        self._interpreter.allocate_tensors()
        self._shapes = shapes

    def close(self) -> None:
        """Give the interpreter's memory back; closing twice is harmless."""
        self._interpreter = None


class InterpretedSegment:
    """What the runtimes have in common: a segment in an interpreter; see ``Runtime``."""

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


def capability(runtime: str, accelerator: str, memory_bytes: int | None) -> Capability:
    """Return a capability with the installed interpreter's version."""
    return Capability(runtime, accelerator, memory_bytes=memory_bytes, version=version())


def check_memory(error: Exception, *, opening: bool = False) -> None:
    """Raise MemoryError when that is what ``error`` says in the words of linker, C++ or LiteRT.

    Args:
        error: What was raised.
        opening: Whether a model was being opened: LiteRT then has more words for it, and none.

    Raises:
        MemoryError: There was not enough: the segment is not to blame.
    """
    text = str(error)
    short = text.endswith(_NOT_MAPPED) or any(words in text for words in _NO_MEMORY)
    if opening:
        limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
        perhaps = not text or any(words in text for words in _PERHAPS)
        short = short or (perhaps and limit != resource.RLIM_INFINITY)
    if short or isinstance(error, MemoryError):
        raise MemoryError(sentence(error)) from error


def sentence(error: Exception) -> str:
    """Return what ``error`` says, on one line of bounded length: its last words count."""
    return " ".join(str(error).split())[-400:]


def _let_go(error: Exception) -> None:
    """Drop what the error's frames hold: an interpreter must not outlive its delegates."""
    traceback.clear_frames(error.__traceback__)


def _explained(error: Exception) -> str:
    if EDGETPU_CUSTOM_OP in str(error):
        return (
            f"it is compiled for a Coral Edge TPU ({EDGETPU_CUSTOM_OP}): only tflite_edgetpu runs"
            f" it, with such a device; {segment_files.TFLITE} beside it runs on the processor"
        )
    return sentence(error)
