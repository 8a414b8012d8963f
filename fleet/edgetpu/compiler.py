"""Call `edgetpu_compiler`, where it is installed: on x86-64 Debian and its kin alone.

It is a foreign program that reads a model: it gets a folder of its own, a time limit, and what it
says is read only so far.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fleet.edgetpu import log
from fleet.edgetpu.errors import CompilerFailedError
from fleet.edgetpu.log import MOST_CHARACTERS, CompilerLog
from fleet.edgetpu.report import COMPILED, TWIN

PROGRAM: Final = "edgetpu_compiler"
LIMIT_SECONDS: Final = 600.0
"""Its own limit is 180 s, and it may try several times."""
SAID: Final = "edgetpu_compiler.txt"
"""Where `commands` leave what it says."""
_SAID_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class Compilation:
    """What the compiler made of one segment."""

    file: Path | None
    """None: it wrote none."""
    log: CompilerLog


def installed() -> str | None:
    """Return where the compiler is; None: not on PATH."""
    return shutil.which(PROGRAM)


def arguments(model: Path, out: Path, runtime: int | None) -> list[str]:
    """Return the compiler's arguments: statistics too, and the oldest runtime that shall do."""
    least = [] if runtime is None else ["--min_runtime_version", str(runtime)]
    return ["-s", "-o", str(out), *least, str(model)]


def compiled(
    program: str,
    segment: Path,
    scratch: Path,
    runtime: int | None,
    limit_seconds: float = LIMIT_SECONDS,
) -> Compilation:
    """Compile the twin in a segment's folder, into ``scratch``.

    Raises:
        CompilerFailedError: It did not end in time, or says that it failed.
    """
    said = scratch / SAID
    with said.open("wb") as file:
        process = subprocess.Popen(
            [program, *arguments(segment / TWIN, scratch, runtime)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it has a child of its own, which has to go with it
        )
        try:
            status = process.wait(limit_seconds)
        except subprocess.TimeoutExpired as error:
            problem = f"did not end within {limit_seconds:g} s"
            raise CompilerFailedError(segment.name, problem) from error
        finally:
            _end(process)
    if status:
        last = " ".join(_read(said).split())[-_SAID_CHARACTERS:]
        raise CompilerFailedError(segment.name, f"ended with status {status} ({last})")
    return found(scratch)


def found(folder: Path) -> Compilation:
    """Return what the compiler left in a folder, its log and what it said included."""
    text = "\n".join(
        _read(path) for path in (folder / SAID, (folder / COMPILED).with_suffix(".log"))
    )
    file = folder / COMPILED
    return Compilation(file if file.exists() or file.is_symlink() else None, log.parse(text))


def commands(split: Path, names: Iterable[str], into: Path, runtime: int | None) -> list[str]:
    """Return lines for a shell that compile segments of a split, each into a folder of ``into``."""
    lines = []
    for name in names:
        out = into / name
        call = shlex.join([PROGRAM, *arguments(split / "segments" / name / TWIN, out, runtime)])
        lines.append(f"mkdir -p {shlex.quote(str(out))}")
        lines.append(f"{call} | tee {shlex.quote(str(out / SAID))}")
    return lines


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the compiler and all that it started."""
    with contextlib.suppress(ProcessLookupError):  # all have ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOST_CHARACTERS // 2).decode("utf-8", "replace")
    except OSError:
        return ""
