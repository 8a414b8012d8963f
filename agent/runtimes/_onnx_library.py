"""The library onnxruntime: imported without telemetry, its options, types and exceptions ours."""

import os
from typing import Any, Final

from agent.errors import RuntimeOpenError
from agent.runtimes import RuntimeOptions
from wire.tensors import TensorSpec

DTYPES: Final = {
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
_NO_TELEMETRY: Final = "ORT_DISABLE_TELEMETRY"
_FATAL_ONLY: Final = 4
"""Its log level: everything above is an exception as well, which we translate."""
PLACED: Final = "session.record_ep_graph_assignment_info"
"""When this is asked for, a session from 1.24 on tells who was given which operators."""


def imported() -> Any:
    """Import onnxruntime and keep it from reporting its use.

    From 1.32 on its Linux packages send usage to their maker and leave a file in the temporary
    folder, beginning with the import, unless the environment says no.

    Raises:
        ImportError: It is not here, or does not load.
    """
    os.environ.setdefault(_NO_TELEMETRY, "1")
    import onnxruntime  # noqa: PLC0415 the file must import without it

    return onnxruntime


def needed(runtime: str, segment: str) -> Any:
    """Import onnxruntime to open a segment.

    Raises:
        RuntimeOpenError: It is not here, or does not load.
        MemoryError: There is not enough for it.
    """
    try:
        return imported()
    except ImportError as error:
        check_memory(error)
        raise RuntimeOpenError(runtime, segment, f"no onnxruntime here: {error}") from error


def tells_placement(ort: Any) -> bool:
    """Whether sessions of this version tell who was given which operators."""
    return hasattr(ort.InferenceSession, "get_provider_graph_assignment_info")


def session_options(ort: Any, options: RuntimeOptions) -> Any:
    """Return onnxruntime's options for ours."""
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


def specs(nodes: Any, runtime: str, segment: str) -> tuple[TensorSpec, ...]:
    """Return our form of what a session says of its inputs or outputs.

    Raises:
        RuntimeOpenError: One of them is of a type that may not travel.
    """
    found = []
    for node in nodes:
        if node.type not in DTYPES:
            problem = f"{node.name!r} is {node.type}, which may not cross a cut"
            raise RuntimeOpenError(runtime, segment, problem)
        shape = tuple("" if size is None else size for size in node.shape)
        found.append(TensorSpec(name=node.name, dtype=DTYPES[node.type], shape=shape))
    return tuple(found)


def check_memory(error: Exception) -> None:
    """Raise MemoryError when that is what ``error`` says in the words of the linker or of C++.

    Raises:
        MemoryError: There was not enough: the segment is not to blame.
    """
    text = str(error)
    if text.endswith(_NOT_MAPPED) or any(words in text for words in _NO_MEMORY):
        raise MemoryError(sentence(error)) from error


def sentence(error: Exception) -> str:
    """Return what an exception of the library says, in one line."""
    return " ".join(str(error).split())[:400]
