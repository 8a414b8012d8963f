"""Looks at every process of the site: memory, file descriptors, threads, bytes written, zombies."""

import contextlib
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Final

import psutil

SAMPLE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one process."""

    at: float
    """Monotonic seconds."""
    pss_bytes: int
    private_bytes: int
    """Private and written to: what nobody shares and nobody else can change."""
    descriptors: int
    threads: int
    written_bytes: int
    """What it had the kernel write to disk, so far."""


@dataclass(slots=True)
class Watched:
    """Everything seen of one process."""

    pid: int
    role: str
    samples: list[Sample] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """From the first sample to the last."""
        return self.samples[-1].at - self.samples[0].at if self.samples else 0.0


class Watch:
    """Samples in a thread of its own.

    Args:
        roles: Returns what each process is, by its id.
    """

    def __init__(self, roles: Callable[[], Mapping[int, str]]) -> None:
        self.processes: dict[int, Watched] = {}
        self.zombies: dict[int, str] = {}
        """Processes that nobody waited for from one sample to the next."""
        self._roles = roles
        self._ended = threading.Event()
        self._suspects: set[int] = set()
        self._thread = threading.Thread(target=self._run, daemon=True, name="watch")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    def written_bytes(self, begin: float) -> dict[str, int]:
        """Return what was written since, by each role's first two words, its processes added.

        What a worker has written in all its life the kernel adds to its supervisor's when it is
        reaped: there it is taken off again.
        """
        found: dict[str, int] = defaultdict(int)
        reaped: dict[str, int] = defaultdict(int)
        watched = [process for process in self.processes.values() if process.samples]
        until = max((process.samples[-1].at for process in watched), default=0.0)
        for process in watched:
            last = process.samples[-1]
            if last.at > begin:
                before = [s.written_bytes for s in process.samples if s.at < begin][-1:] or [0]
                kind, *device = process.role.split()[:2]
                found[" ".join((kind, *device))] += last.written_bytes - before[0]
                if kind == "worker" and last.at < until - 2 * SAMPLE_SECONDS:
                    reaped[" ".join(("supervisor", *device))] += last.written_bytes
        for supervisor, size_bytes in reaped.items():
            if supervisor in found:  # else it ended, too, and reaped nobody
                found[supervisor] = max(0, found[supervisor] - size_bytes)
        return dict(found)

    def save(self, file: Path) -> None:
        """Write every sample as a line of CSV."""
        with file.open("w") as out:
            out.write(f"pid,role,{','.join(f.name for f in fields(Sample))}\n")
            for process in self.processes.values():
                for sample in process.samples:
                    values = ",".join(str(value) for value in astuple(sample))
                    out.write(f"{process.pid},{process.role},{values}\n")

    def survivors(self) -> list[str]:
        """Return the processes of the site that are still there."""
        return [f"{p.pid} {p.role}" for p in self.processes.values() if _is_it(p)]

    def _run(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            for pid, role in self._roles().items():
                known = self.processes.get(pid)
                if known is None or known.role != role:
                    known = self.processes[pid] = Watched(pid, role)
                with contextlib.suppress(OSError, ValueError):  # it is just ending
                    _look(known)
            self._look_for_zombies()

    def _look_for_zombies(self) -> None:
        found = {}
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if process.status() == psutil.STATUS_ZOMBIE:
                    found[process.pid] = process.name()
        self.zombies |= {pid: name for pid, name in found.items() if pid in self._suspects}
        self._suspects = set(found)


def _look(process: Watched) -> None:
    folder = Path("/proc") / str(process.pid)
    sizes: dict[str, int] = {}
    for line in (folder / "smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        sizes[name] = int(rest.split()[0]) << 10
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    io = dict(line.split(": ") for line in (folder / "io").read_text().splitlines())
    process.samples.append(
        Sample(
            at=time.monotonic(),
            pss_bytes=sizes["Pss"],
            private_bytes=sizes["Private_Dirty"],
            descriptors=len(os.listdir(folder / "fd")),  # noqa: PTH208 names are enough
            threads=int(status["Threads"]),
            written_bytes=int(io["write_bytes"]),
        )
    )


def _is_it(process: Watched) -> bool:
    """Whether the process is there, and no other has its number."""
    with contextlib.suppress(psutil.Error):
        found = psutil.Process(process.pid)
        words = found.cmdline()
        return found.status() != psutil.STATUS_ZOMBIE and any(
            word in {"agent", "agent.worker", "scripts.soaking.feeder", "fleet.artifacts"}
            for word in words
        )
    return False
