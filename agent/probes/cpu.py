"""How busy the processors are, how many there are, how fast they run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil

from agent.probes import Reading


@dataclass(slots=True)
class CpuProbe:
    """Compares processor times with those of the read before; the first read has no ratio."""

    times: Callable[[], Any] = psutil.cpu_times
    frequency: Callable[[], Any] = psutil.cpu_freq
    cores: Callable[[], int | None] = psutil.cpu_count
    _before: tuple[float, float] | None = field(default=None, init=False)

    def read(self) -> Iterator[Reading]:
        """Yield busy ratio over all cores (0 to 1), number of cores and current frequency."""
        now = self._busy_and_total_seconds()
        before, self._before = self._before, now
        if before and now[1] > before[1]:
            ratio = (now[0] - before[0]) / (now[1] - before[1])
            yield Reading("cpu_busy_ratio", min(1.0, max(0.0, ratio)))
        if cores := self.cores():
            yield Reading("cpu_cores_total", cores)
        if hertz := self._hertz():
            yield Reading("cpu_frequency_hertz", hertz)

    def _busy_and_total_seconds(self) -> tuple[float, float]:
        times = self.times()._asdict()
        # the kernel counts guests in user and nice already
        total = sum(v for name, v in times.items() if name not in {"guest", "guest_nice"})
        return total - times["idle"] - times.get("iowait", 0.0), total

    def _hertz(self) -> float | None:
        try:
            frequency = self.frequency()
        except (OSError, NotImplementedError, RuntimeError, ValueError):
            return None  # virtual machines and some boards have no such files
        return frequency.current * 1e6 if frequency else None


PLUGIN = CpuProbe
