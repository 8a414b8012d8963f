"""Run a command and say how long it took and how much memory its whole process tree held at most.

Memory is the sum of Pss over the command and all its descendants: private pages, mapped files'
pages too, and of pages that several processes share each its part. It is sampled 20 times a second,
so a shorter peak can be missed; the largest process's own peak, which the kernel keeps, counts as a
lower bound.
"""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SAMPLES_PER_SECOND = 20


@dataclass(frozen=True, slots=True)
class Measured:
    """How one command went."""

    status: int
    """Exit status; negative: the signal that ended it."""
    stdout: str
    stderr: str
    seconds: float
    cpu_seconds: float
    """Of the whole tree: what a busy machine does not stretch."""
    peak_bytes: int
    stopped: str | None = None
    """Why it was killed: what it took too much of."""


@dataclass(slots=True)
class _Watch:
    """What the sampling thread found."""

    peak_bytes: int = 0
    stopped: str | None = None


def measured(
    command: Sequence[str], limit_seconds: float = 600.0, limit_bytes: float = 16e9
) -> Measured:
    """Run ``command`` to its end; one that takes longer or more memory is killed, with its tree."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        ended, watch = threading.Event(), _Watch()
        limits = (began + limit_seconds, limit_bytes)
        sampler = threading.Thread(target=_sample, args=(child.pid, ended, watch, limits))
        sampler.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:  # interrupted: nothing shall go on without us
            _kill(child.pid)
            child.wait()
            raise
        finally:
            ended.set()
            sampler.join()
        seconds = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)  # wait4 took it from Popen
        out.seek(0)
        err.seek(0)
        return Measured(
            status=child.returncode,
            stdout=out.read().decode(errors="replace"),
            stderr=err.read().decode(errors="replace"),
            seconds=seconds,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_bytes=watch.peak_bytes,
            stopped=watch.stopped,
        )


def _sample(root: int, ended: threading.Event, watch: _Watch, limits: tuple[float, float]) -> None:
    # not wait4's ru_maxrss: that one also remembers whoever started the child
    deadline, limit_bytes = limits
    while not ended.wait(1 / SAMPLES_PER_SECOND):
        now = [_memory(pid) for pid in tree(root)]
        total = sum(pss for pss, _ in now)
        watch.peak_bytes = max(watch.peak_bytes, total, *(peak for _, peak in now))
        if watch.stopped is None and total > limit_bytes:
            watch.stopped = f"more than {limit_bytes / 1e9:g} GB"
        if watch.stopped is None and time.monotonic() > deadline:
            watch.stopped = "no end in time"
        if watch.stopped:
            _kill(root)


def tree(root: int) -> Iterator[int]:
    """Yield ``root`` and the processes that descend from it, parents first."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 20 times a second, so it shall cost little
        if name.isdigit():
            # after the last bracket: a process's name may hold spaces and brackets
            fields = _read(f"/proc/{name}/stat").rpartition(b")")[2].split(None, 2)
            if len(fields) > 1:
                children.setdefault(int(fields[1]), []).append(int(name))
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])


def _memory(pid: int) -> tuple[int, int]:
    """Return a process's share of the memory it has mapped, and its own peak; 0 when it is gone."""
    return _bytes(pid, "smaps_rollup", "\nPss:"), _bytes(pid, "status", "VmHWM:")


def _bytes(pid: int, file: str, field: str) -> int:
    _, found, rest = _read(f"/proc/{pid}/{file}").partition(field.encode())
    return int(rest.split(None, 1)[0]) * 1024 if found else 0


def _read(path: str) -> bytes:
    """Return what the kernel says in ``path``; nothing when the process is gone."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(file, 4096)
    except OSError:
        return b""
    finally:
        os.close(file)


def _kill(root: int) -> None:
    for pid in list(tree(root)):
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            continue
