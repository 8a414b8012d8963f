"""A child command run from the event loop: ``python -I -m agent probe|doctor|bench``, its report.

The supervisor imports neither a runtime nor the doctor: what they cost, and how they crash, is a
child's affair.
"""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from agent import memory_limit
from agent.exit_status import how_it_ended
from agent.supervisor.memory_limits import WorkerMemory
from wire.reports import FailureReport

Report = TypeVar("Report")
FAILED: Final = "child.failed"
"""The code of a child that gave none itself."""
_LINE_BYTES: Final = 16 << 20
"""Of a report: that of a profile lists every operator."""


class ChildReportError(Exception):
    """The child gave no report; says why. Whoever asked makes something of it."""

    def __init__(self, message: str, code: str = FAILED) -> None:
        super().__init__(message)
        self.code = code
        """The child's own, where it gave one."""


async def child_report(
    *arguments: str,
    kind: type[Report],
    limit_seconds: float,
    memory: WorkerMemory | None = None,
    scratch: Path | None = None,
    given: bytes | None = None,
    said: Callable[[bytes], bool] = lambda _: False,
) -> Report:
    """Run one child command to its end and return its report; cancelled, the child is killed.

    Args:
        arguments: The command and its options.
        kind: Of its report.
        limit_seconds: How long it may take.
        memory: Holds it to a memory limit; given back at its end. None: it has none.
        scratch: Where it keeps temporary files; None: where all do.
        given: A line for its stdin, which then stays open until it ends; None: it has none.
        said: Called with each line that it prints; returns whether that is no report.

    Raises:
        ChildReportError: It cannot be started, took too long or too much memory, or printed no
            report.
    """
    name = arguments[0]
    memory = memory or WorkerMemory()
    child: Process | None = None
    watch: asyncio.Task[None] | None = None
    try:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "agent", *arguments),
            stdin=asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=None if scratch is None else {**os.environ, "TMPDIR": str(scratch)},
        )
        memory.hold(child.pid)
        watch = asyncio.create_task(_kill_when_too_large(child, memory))
        output = await asyncio.wait_for(_output(child, given, said), limit_seconds)
        return _decoded(output, kind)
    except TimeoutError as error:
        raise ChildReportError(f"the {name} took over {limit_seconds:g} s") from error
    except OSError as error:
        raise ChildReportError(f"the {name} cannot be started ({error.strerror})") from error
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        if (short := memory.verdict()) is not None:
            raise ChildReportError(short, memory_limit.CODE) from error
        status = child.returncode if child is not None else None
        raise ChildReportError(f"the {name} {how_it_ended(status)}") from error
    finally:
        if watch is not None:
            watch.cancel()
        if child is not None:
            await _ended(child)
        memory.release()


async def _output(child: Process, given: bytes | None, said: Callable[[bytes], bool]) -> bytes:
    """Return the last line that a child prints, when it has ended."""
    if child.stdin is not None and given is not None:
        with contextlib.suppress(ConnectionError):  # what it prints tells why
            child.stdin.write(given)
            await child.stdin.drain()
    assert child.stdout is not None
    last = b""
    async for line in child.stdout:
        if not said(line):
            last = line
    await child.wait()
    return last


async def _ended(child: Process) -> None:
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


def _decoded(output: bytes, kind: type[Report]) -> Report:
    """Return the report, or raise what the child says instead."""
    try:
        return msgspec.json.decode(output, type=kind)
    except msgspec.ValidationError:
        failure = msgspec.json.decode(output, type=FailureReport).error
        raise ChildReportError(failure.message, failure.code) from None


async def _kill_when_too_large(child: Process, memory: WorkerMemory) -> None:
    while memory.watched:
        await asyncio.sleep(memory_limit.WATCH_SECONDS)
        if memory.look():
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            return
