"""What power the machine says that it takes: from its rails, else from what its processors count.

Rails are read by whatever probe reads watts here. RAPL counts the joules of each processor package.

Source: Linux, Documentation/power/powercap/powercap.rst (``energy_uj``, ``max_energy_range_uj``).
"""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from agent import sysfs as kernel
from agent.probes import Probe, Reading
from wire import plugins

EVERY_SECONDS: Final = 0.2
IDLE_SECONDS: Final = 0.2
"""How long packages are counted to know what they take before."""
_PACKAGE: Final = "agent.probes"
_TOTAL: Final = ("VDD_IN", "5V_IN", "POM_5V_IN", "VIN")
"""Rails that all others hang on, as boards name them."""
_SOURCES: Final = ("jetson",)
"""Probes that read watts."""


class Power:
    """The mean power while its ``with`` block runs; silent where nobody tells.

    Args:
        probes: What may read watts; None: those of this machine that do.
        sysfs: Where the kernel tells; tests point it at a tree of a device.
    """

    def __init__(self, probes: Sequence[Probe] | None = None, sysfs: Path = Path("/sys")) -> None:
        found = [plugins.load(_PACKAGE, name)() for name in _SOURCES] if probes is None else probes
        self._probes = [probe for probe in found if _watts(list(probe.read())) is not None]
        self._packages = Packages(sysfs)
        self._samples: list[float] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.mean: float | None = None
        """Of the block, in watts; None: nobody tells."""

    def now(self) -> float | None:
        """Return the power now, in watts; None: nobody tells. Takes a moment with RAPL."""
        if self._probes:
            return _watts([reading for probe in self._probes for reading in probe.read()])
        before = self._packages.counted()
        if before is not None:
            time.sleep(IDLE_SECONDS)
        return self._packages.watts(before, IDLE_SECONDS)

    def __enter__(self) -> Self:
        self._began, self._before = time.monotonic(), self._packages.counted()
        if self._probes:
            self._thread = threading.Thread(target=self._sample, daemon=True, name="power")
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        seconds = time.monotonic() - self._began
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self.mean = sum(self._samples) / len(self._samples) if self._samples else None
        else:
            self.mean = self._packages.watts(self._before, seconds)

    def _sample(self) -> None:
        while True:
            if (watts := self.now()) is not None:
                self._samples.append(watts)
            if self._ended.wait(EVERY_SECONDS):
                return


class Packages:
    """The counters of processor packages, in microjoules; they begin anew now and then."""

    def __init__(self, sysfs: Path) -> None:
        self._folders = kernel.entries(sysfs / "class/powercap", r"intel-rapl:\d+")

    def counted(self) -> dict[Path, int] | None:
        """Return what each has counted; None: one cannot be read, or there are none."""
        found = {folder: kernel.number(folder / "energy_uj") for folder in self._folders}
        known = {folder: count for folder, count in found.items() if count is not None}
        return known if known and len(known) == len(found) else None

    def watts(self, before: dict[Path, int] | None, seconds: float) -> float | None:
        """Return the mean power since ``before``; None: it is not known."""
        after = self.counted()
        if before is None or after is None or seconds <= 0:
            return None
        joules = 0.0
        for folder, count in after.items():
            used = count - before[folder]
            if used < 0:  # it began anew
                used += kernel.number(folder / "max_energy_range_uj") or 0
            joules += used / 1e6
        return joules / seconds if joules >= 0 else None


def _watts(readings: Sequence[Reading]) -> float | None:
    """Return the whole of what rails say: that of the one in front, else their sum."""
    rails = {r.label("rail"): r.value for r in readings if r.name.endswith("_watts")}
    for name in _TOTAL:
        if name in rails:
            return rails[name]
    return sum(rails.values()) if rails else None
