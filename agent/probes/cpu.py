"""How busy the processors are, how many there are, how fast they run, what the supervisor uses.

Source: Linux, Documentation/filesystems/proc.rst (``/proc/stat``) and
Documentation/admin-guide/pm/cpufreq.rst (``scaling_cur_freq``, in kHz).
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent import sysfs as kernel
from agent.probes import Reading

MAX_POLICIES: Final = 8
"""Groups of cores whose frequency is read: reading one may wake its core."""


@dataclass(slots=True)
class CpuProbe:
    """Compares processor times with those of the read before; the first read has no ratio."""

    sysfs: Path = Path("/sys")
    procfs: Path = Path("/proc")
    cores: Callable[[], int | None] = os.cpu_count
    own_seconds: Callable[[], float] = time.process_time
    _before: tuple[float, float] | None = field(default=None, init=False)

    def read(self) -> Iterator[Reading]:
        """Yield busy ratio over all cores (0 to 1), cores, mean frequency, supervisor's seconds."""
        before, self._before = self._before, self._busy_and_total_ticks()
        now = self._before
        if before and now and now[1] > before[1]:
            ratio = (now[0] - before[0]) / (now[1] - before[1])
            yield Reading("cpu_busy_ratio", min(1.0, max(0.0, ratio)))
        if cores := self.cores():
            yield Reading("cpu_cores_total", cores)
        if hertz := self._hertz():
            yield Reading("cpu_frequency_hertz", hertz)
        yield Reading("cpu_agent_seconds", self.own_seconds())

    def _busy_and_total_ticks(self) -> tuple[float, float] | None:
        name, *rest = (kernel.text(self.procfs / "stat") or "none").partition("\n")[0].split()
        if name != "cpu":
            return None
        # user nice system idle iowait irq softirq steal; the guests that follow are in user already
        ticks = [int(each) for each in rest[:8]]
        return sum(ticks) - sum(ticks[3:5]), sum(ticks)

    def _hertz(self) -> float | None:
        policies = kernel.entries(self.sysfs / "devices/system/cpu/cpufreq", r"policy\d+")
        read = [kernel.number(policy / "scaling_cur_freq") for policy in policies[:MAX_POLICIES]]
        kilohertz = [each for each in read if each]
        return sum(kilohertz) / len(kilohertz) * 1e3 if kilohertz else None


PLUGIN = CpuProbe
