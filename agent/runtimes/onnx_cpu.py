"""ONNX segments on the CPU, by onnxruntime: the one file that touches it.

Threads never spin (spinning pools fight as soon as two sessions share cores: measured 2x slower
for three segments on one host), and the plain ``run`` is used (bound memory saves 2 us a call).
"""

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import msgspec
import numpy as np

from agent.errors import RuntimeFailedError, RuntimeOpenError
from agent.runtimes import Actual, Capability, OperatorTimes, RuntimeOptions, Tensors
from wire.tensors import TensorSpec

NAME: Final = "onnx_cpu"
SEGMENT_FILE: Final = "segment.onnx"
PROVIDER: Final = "CPUExecutionProvider"

_DTYPES: Final = {
    "tensor(float)": 1,
    "tensor(uint8)": 2,
    "tensor(int8)": 3,
    "tensor(uint16)": 4,
    "tensor(int16)": 5,
    "tensor(int32)": 6,
    "tensor(int64)": 7,
    "tensor(bool)": 9,
    "tensor(float16)": 10,
    "tensor(double)": 11,
    "tensor(uint32)": 12,
    "tensor(uint64)": 13,
}

_NOT_MAPPED: Final = "failed to map segment from shared object"
"""How the linker ends when memory is short; on a `noexec` mount it goes on with the reason."""
_NO_MEMORY: Final = (
    "annot allocate memory",
    "bad_alloc",
    "bad allocation",
    "ailed to allocate memory",
)

_TIME: Final = "_kernel_time"
"""How a profile's events end that say what a node took."""
_RUN: Final = "model_run"
_WITH_BODIES: Final = ("If", "Loop", "Scan")
_NO_TELEMETRY: Final = "ORT_DISABLE_TELEMETRY"

_FATAL_ONLY: Final = 4
"""Its log level: everything above is an exception as well, which we translate."""

_PROOF: Final = bytes.fromhex(
    "08083a610a110a01780a017712017922064d61744d756c120570726f6f662a1b0802080210014201774a10"
    "0000803f0000004000004040000080405a130a0178120e0a0c080112080a0208010a02080262130a017912"
    "0e0a0c080112080a0208010a02080242040a00100d"
)
"""An ONNX model, opset 13: y = MatMul(x, [[1, 2], [3, 4]]) with x and y float32 [1, 2]."""


class OnnxCpuRuntime:
    """One onnxruntime session on CPU threads."""

    FORMATS: ClassVar[tuple[str, ...]] = ("onnx",)
    FALLBACK: ClassVar[str] = ""

    actual = Actual("cpu")

    @classmethod
    def detect(cls) -> tuple[Capability, ...]:
        """Return what is here: nothing where onnxruntime cannot be imported."""
        try:
            ort = _onnxruntime()
        except ImportError:
            return ()
        if PROVIDER not in ort.get_available_providers():
            return ()
        return (Capability(NAME, "cpu", memory_bytes=None, version=ort.__version__),)

    @classmethod
    def prove(cls, accelerator: str = "") -> None:  # noqa: ARG003 the port's shape
        """Multiply two small matrices and compare; see ``Runtime``."""
        session = _session(_PROOF, _options(_imported("its proof"), RuntimeOptions()), "its proof")
        runtime = cls(session, "its proof")
        got = runtime.run({"x": np.ones((1, 2), np.float32)})["y"].tolist()
        runtime.close()
        if got != [[4.0, 6.0]]:
            raise RuntimeFailedError(NAME, f"its proof gave {got} (expected [[4.0, 6.0]])")

    @classmethod
    def open(cls, segment: Path, options: RuntimeOptions) -> Self:
        """Load a segment's folder or a model's file; see ``Runtime``.

        By path, so that ``weights.bin`` beside it can be mapped.
        """
        path = segment / SEGMENT_FILE if segment.is_dir() else segment
        made = _options(_imported(str(segment)), options)
        profile = None
        if options.profile:
            profile = tempfile.TemporaryDirectory(prefix="paceline-profile-")
            made.enable_profiling = True
            made.profile_file_prefix = str(Path(profile.name, "profile"))
        session = _session(str(path), made, str(segment))
        return cls(session, str(segment), profile, tensors_only=options.tensors_only)

    def __init__(
        self,
        session: Any,
        segment: str,
        profile: "tempfile.TemporaryDirectory[str] | None" = None,
        *,
        tensors_only: bool = False,
    ) -> None:
        self._session = session
        self._profile = profile
        self._inputs = _specs(session.get_inputs(), segment)
        given = [o for o in session.get_outputs() if o.type in _DTYPES or not tensors_only]
        self._outputs = _specs(given, segment)
        self._taken = [spec.name for spec in self._inputs]
        self._given = [spec.name for spec in self._outputs]

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What ``run`` takes, in the graph's order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What ``run`` returns, in the graph's order."""
        return self._outputs

    def run(self, inputs: Tensors) -> Tensors:
        """Run once; see ``Runtime``."""
        if self._session is None:
            raise RuntimeFailedError(NAME, "the segment is closed")
        missing = [name for name in self._taken if name not in inputs]
        if missing:
            raise RuntimeFailedError(NAME, f"inputs {missing} are missing")
        feeds = {name: inputs[name] for name in self._taken}
        if not self._given:
            return {}  # with no names the session would return them all
        try:
            values = self._session.run(self._given, feeds)
        except Exception as error:  # its exceptions have no other common base
            _check_memory(error)
            raise RuntimeFailedError(NAME, _sentence(error)) from error
        return dict(zip(self._given, values, strict=True))

    def operator_times(self) -> tuple[OperatorTimes, ...]:
        """Return how long each operator took in each run; see ``Runtime``.

        The session is closed first: there may be a million times, and memory for one of both.
        """
        if self._profile is None or self._session is None:
            return ()
        file = Path(self._session.end_profiling())
        self._session = None
        seconds: dict[tuple[int, str, str], list[float]] = {}
        with file.open("rb") as lines:
            for event in _node_events(lines):
                key = int(event.args.node_index), event.name.removesuffix(_TIME), event.args.op_name
                seconds.setdefault(key, []).append(event.dur / 1e6)
        self._profile.cleanup()
        self._profile = None
        return tuple(
            OperatorTimes(place, name, kind, tuple(times))
            for (place, name, kind), times in sorted(seconds.items())
        )

    def close(self) -> None:
        """Give the session's memory back; closing twice is harmless."""
        self._session = None
        if self._profile is not None:
            self._profile.cleanup()
            self._profile = None


class _About(msgspec.Struct, frozen=True):
    """What a profile says of a node."""

    node_index: str = ""
    op_name: str = ""


class _Event(msgspec.Struct, frozen=True):
    """One event of a profile; the file is a list with one a line."""

    name: str
    ts: int
    dur: int
    cat: str = ""
    args: _About = _About()


def _node_events(lines: Iterable[bytes]) -> Iterator[_Event]:
    """Yield what the nodes of the graph itself took: those of bodies count with who runs them."""
    decoder = msgspec.json.Decoder(_Event)
    run: list[_Event] = []
    for line in lines:
        text = line.strip(b" ,\r\n")
        if not text.startswith(b"{"):
            continue
        event = decoder.decode(text)
        if event.name == _RUN:
            yield from run
            run = []
        elif event.cat == "Node" and event.name.endswith(_TIME):
            while event.args.op_name in _WITH_BODIES and run and run[-1].ts >= event.ts:
                run.pop()  # what ran inside ended before it
            run.append(event)


def _onnxruntime() -> Any:
    """Import onnxruntime and keep it from reporting its use.

    From 1.32 on its Linux packages send usage to their maker and leave a file in the temporary
    folder, beginning with the import, unless the environment says no.
    """
    os.environ.setdefault(_NO_TELEMETRY, "1")
    import onnxruntime  # noqa: PLC0415 the file must import without it

    return onnxruntime


def _imported(segment: str) -> Any:
    try:
        return _onnxruntime()
    except ImportError as error:
        _check_memory(error)
        raise RuntimeOpenError(NAME, segment, f"no onnxruntime here: {error}") from error


def _session(model: str | bytes, options: Any, segment: str) -> Any:
    ort = _imported(segment)
    try:
        session = ort.InferenceSession(model, options, providers=[PROVIDER])
    except Exception as error:  # its exceptions have no other common base
        _check_memory(error)
        raise RuntimeOpenError(NAME, segment, _sentence(error)) from error
    if session.get_providers() != [PROVIDER]:
        raise RuntimeOpenError(NAME, segment, f"it would run on {session.get_providers()}")
    return session


def _check_memory(error: Exception) -> None:
    """Raise MemoryError when that is what ``error`` says in the words of the linker or of C++.

    Raises:
        MemoryError: There was not enough: the segment is not to blame.
    """
    text = str(error)
    if text.endswith(_NOT_MAPPED) or any(words in text for words in _NO_MEMORY):
        raise MemoryError(_sentence(error)) from error


def _options(ort: Any, options: RuntimeOptions) -> Any:
    made = ort.SessionOptions()
    made.intra_op_num_threads = options.threads
    made.inter_op_num_threads = 1
    made.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    made.log_severity_level = _FATAL_ONLY
    made.add_session_config_entry("session.intra_op.allow_spinning", "0")
    made.add_session_config_entry("session.inter_op.allow_spinning", "0")
    if not options.optimisations:
        made.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    elif options.weights == "mapped":  # beyond this level weights of convolutions are copied
        made.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    if options.weights == "mapped":
        made.add_session_config_entry("session.disable_prepacking", "1")
    return made


def _specs(nodes: Any, segment: str) -> tuple[TensorSpec, ...]:
    specs = []
    for node in nodes:
        if node.type not in _DTYPES:
            problem = f"{node.name!r} is {node.type}, which may not cross a cut"
            raise RuntimeOpenError(NAME, segment, problem)
        shape = tuple("" if size is None else size for size in node.shape)
        specs.append(TensorSpec(name=node.name, dtype=_DTYPES[node.type], shape=shape))
    return tuple(specs)


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:400]


PLUGIN = OnnxCpuRuntime
