"""Each worker's share of processor and memory, labelled by what it serves.

The process id is no label: a worker that was started again goes on in the same series.

Source: Linux, Documentation/filesystems/proc.rst: ``/proc/PID/stat`` (``utime``, ``stime`` in clock
ticks) and ``/proc/PID/status`` (``VmRSS``, ``RssAnon``). ``smaps_rollup`` would count shared pages
more fairly, and walk every page of a large model to do so.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent import sysfs as kernel
from agent.probes import Reading, Worker

_MEMORY: Final = (("VmRSS:", "resident"), ("RssAnon:", "private"))


@dataclass(slots=True)
class WorkersProbe:
    """Compares processor times with those of the read before; a first read has no ratio."""

    procfs: Path = Path("/proc")
    workers: Callable[[], Iterable[Worker]] = tuple
    clock_seconds: Callable[[], float] = time.monotonic
    _before: dict[int, tuple[float, float]] = field(default_factory=dict, init=False)

    def read(self) -> Iterator[Reading]:
        """Yield processor seconds, busy ratio (1 is one core), resident and private memory."""
        before, self._before = self._before, {}
        for worker in self.workers():
            seconds, now = self._cpu_seconds(worker.pid), self.clock_seconds()
            if seconds is None:
                continue  # it has just ended
            self._before[worker.pid] = seconds, now
            labels = (
                ("pipeline", worker.pipeline),
                ("generation", str(worker.generation)),
                ("stage", str(worker.stage)),
            )
            yield Reading("worker_cpu_seconds", seconds, labels)
            if worker.pid in before and now > before[worker.pid][1]:
                seconds_before, then = before[worker.pid]
                yield Reading("worker_cpu_ratio", (seconds - seconds_before) / (now - then), labels)
            lines = (kernel.text(self.procfs / str(worker.pid) / "status") or "").splitlines()
            for start, kind in _MEMORY:
                for line in lines:
                    if line.startswith(start):
                        yield Reading(f"worker_{kind}_bytes", int(line.split()[1]) * 1024, labels)

    def _cpu_seconds(self, pid: int) -> float | None:
        """Return user and system time; the name before them may hold spaces and brackets."""
        fields = (kernel.text(self.procfs / str(pid) / "stat") or "").rpartition(")")[2].split()
        if len(fields) < 13:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


PLUGIN = WorkersProbe
