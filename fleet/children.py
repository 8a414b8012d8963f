"""Run a model in a child: ``python -I -m agent run-segment|bench|probe``.

The cloud side never imports a runtime. A model that crashes its runtime, or never ends, costs a
child and becomes an error with a reason.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from numpy.typing import NDArray

from fleet.errors import ChildFailedError, ChildTimeoutError, NoScratchError
from wire import codecs, samples
from wire.errors import FrameError
from wire.frame import Frame, Kind
from wire.reports import FailureReport, RunReport

Arrays = Mapping[str, NDArray[Any]]
Report = TypeVar("Report")

COMMAND: Final = (sys.executable, "-I", "-m", "agent")
CRASHED: Final = "child.crashed"
"""Stands for the error code that a child which crashed could not say."""
_SAID_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a child shall run a model."""

    runtime: str = ""
    """A file of `agent.runtimes`; empty: the processor's, by the model's format."""
    optimisations: bool = False
    threads: int = os.cpu_count() or 1
    mapped: bool = False
    """Leave weights in their file instead of copying them: slower, for models that fill memory."""
    again_seconds: float = 0.0
    """Run the samples again for so long, to know what one run takes."""
    tensors_only: bool = False
    """Leave out outputs that are no tensors, instead of failing for them."""
    profile: bool = False
    """Time each operator."""
    limit_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Run:
    """What a child gave."""

    outputs: tuple[dict[str, NDArray[Any]], ...]
    """One dictionary a sample; read-only arrays in memory of their own."""
    report: RunReport


def run(
    model: Path,
    inputs: Sequence[Arrays],
    options: RunOptions,
    *,
    fetch: Sequence[str] | None = None,
) -> Run:
    """Run samples through a segment's folder or a model's file, in one session.

    Args:
        model: Folder or file.
        inputs: One mapping a sample.
        options: How to run.
        fetch: Outputs to bring back; None: all, empty: none, the report alone.

    Raises:
        ChildFailedError: The child says why, or crashed.
        ChildTimeoutError: It did not end in time.
        NoScratchError: There is no room for the samples or outputs.
    """
    with _scratch() as scratch:
        given, taken = scratch / "inputs", scratch / "outputs"
        with given.open("wb") as file:
            file.writelines(samples.encode([codecs.tensors(sample) for sample in inputs]))
        arguments = ["--segment", str(model), "--inputs", str(given)]
        arguments += ["--threads", str(options.threads)]
        arguments += ["--runtime", options.runtime] if options.runtime else []
        arguments += [] if options.optimisations else ["--no-optimisations"]
        arguments += ["--weights", "mapped"] if options.mapped else []
        arguments += ["--tensors-only"] if options.tensors_only else []
        arguments += ["--profile"] if options.profile else []
        if options.again_seconds:
            arguments += ["--again-seconds", str(options.again_seconds)]
        arguments += [] if fetch == [] else ["--outputs", str(taken)]
        if fetch:
            (scratch / "fetch").write_bytes(msgspec.json.encode(list(fetch)))
            arguments += ["--fetch", str(scratch / "fetch")]
        report = call(
            "run-segment",
            arguments,
            RunReport,
            limit_seconds=options.limit_seconds,
            scratch=scratch,
        )
        data = taken.read_bytes() if taken.exists() else b""
    return Run(_arrays(data), report)


@contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder for temporary files; what cannot be written there is said as that."""
    try:
        with tempfile.TemporaryDirectory(prefix="paceline-") as name:
            try:
                yield Path(name)
            except ChildFailedError as error:
                if error.child_code != "child.file_unusable":
                    raise
                raise NoScratchError(str(Path(name).parent), error.reason) from error
    except OSError as error:
        raise NoScratchError(tempfile.gettempdir(), error.strerror or str(error)) from error


def call(
    command: str,
    arguments: Sequence[str],
    report: type[Report],
    *,
    limit_seconds: float,
    scratch: Path | None = None,
) -> Report:
    """Run one child command and return its report.

    ``scratch`` is where the child keeps temporary files of its own: they go with that folder even
    when it is killed. None: where all do.

    Raises:
        ChildFailedError: The child says why, or crashed.
        ChildTimeoutError: It did not end within ``limit_seconds`` and was killed.
    """
    try:
        ended = subprocess.run(
            [*COMMAND, command, *arguments],
            capture_output=True,
            timeout=limit_seconds,
            check=False,
            stdin=subprocess.DEVNULL,
            env=None if scratch is None else {**os.environ, "TMPDIR": str(scratch)},
        )
    except subprocess.TimeoutExpired as error:
        raise ChildTimeoutError(command, limit_seconds) from error
    line = ended.stdout.strip().rpartition(b"\n")[2]
    if ended.returncode:
        raise _failure(command, ended.returncode, line, ended.stderr)
    try:
        return msgspec.json.decode(line, type=report)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ChildFailedError(command, CRASHED, f"it printed no report ({error})") from error


def _failure(command: str, status: int, line: bytes, said: bytes) -> ChildFailedError:
    try:
        error = msgspec.json.decode(line, type=FailureReport).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        end = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        last = " ".join(said.decode(errors="replace").split())[-_SAID_CHARACTERS:]
        return ChildFailedError(command, CRASHED, f"{end}; {last}" if last else end)
    return ChildFailedError(command, error.code, error.message)


def _arrays(data: bytes) -> tuple[dict[str, NDArray[Any]], ...]:
    try:
        found = samples.decode(data)
        return tuple(codecs.arrays(Frame(Kind.DATA, 0, 0, tensors=sample)) for sample in found)
    except FrameError as error:
        raise ChildFailedError(
            "run-segment", CRASHED, f"its outputs are damaged: {error}"
        ) from error
