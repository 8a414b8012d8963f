"""NVIDIA Jetson: load of the GPU, power of the rails, power mode, clock of the memory.

Silent on everything else: nothing is looked for where there is no Tegra GPU.

Source: jetson-stats (github.com/rbonghi/jetson_stats, ``jtop/core/gpu.py``, ``power.py``) for
``gpu.0/load`` (thousandths), on newer JetPacks below ``platform`` or ``platform/bus@0``, and for
``/var/lib/nvpmodel/status`` (``pmode:0000``), which nvpmodel writes; Linux, Documentation/hwmon/
ina3221.rst (millivolts, milliamperes) and Documentation/ABI/testing/sysfs-class-devfreq. The
memory's clock is shown to everyone only where its driver is a devfreq one; else debugfs, for root.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from agent import sysfs as kernel
from agent.probes import Reading

_LOADS: Final = (
    "devices/gpu.0/load",
    "devices/platform/gpu.0/load",
    "devices/platform/bus@0/17000000.gpu/load",
    "devices/platform/17000000.gpu/load",
)
_DEVFREQ: Final = ((r".*\.(gpu|gv11b|ga10b|gp10b|gm20b)", "gpu"), (r".*(emc|memory).*", "memory"))


@dataclass(slots=True)
class JetsonProbe:
    """Reads the files that need no privileges. Whether there is a Tegra GPU is found out once."""

    EVERY_SECONDS: ClassVar[float] = 5.0

    sysfs: Path = Path("/sys")
    var: Path = Path("/var")
    _loads: list[Path] | None = field(default=None, init=False)

    def read(self) -> Iterator[Reading]:
        """Yield busy ratio of the GPU, clocks, volts and watts of each rail, number of the mode."""
        if self._loads is None:
            self._loads = [path for name in _LOADS if (path := self.sysfs / name).exists()]
        load = kernel.number(self._loads[0]) if self._loads else None
        if load is None:
            return
        yield Reading("gpu_busy_ratio", min(1.0, load / 1000))
        for pattern, name in _DEVFREQ:
            for device in kernel.entries(self.sysfs / "class/devfreq", pattern)[:1]:
                hertz = kernel.number(device / "cur_freq")
                if hertz is not None:
                    yield Reading(f"{name}_frequency_hertz", hertz)
        mode = re.search(r"pmode:(\d+)", kernel.text(self.var / "lib/nvpmodel/status") or "")
        if mode:
            yield Reading("power_mode_number", int(mode[1]))
        for chip in kernel.entries(self.sysfs / "class/hwmon", r"hwmon\d+"):
            if kernel.text(chip / "name") == "ina3221":
                yield from _rails(chip)


def _rails(chip: Path) -> Iterator[Reading]:
    for channel in ("1", "2", "3"):
        rail = kernel.text(chip / f"in{channel}_label")
        millivolts = kernel.number(chip / f"in{channel}_input")
        milliamperes = kernel.number(chip / f"curr{channel}_input")
        if rail and rail != "NC" and millivolts is not None and milliamperes is not None:
            labels = (("rail", rail),)
            yield Reading("power_rail_volts", millivolts / 1e3, labels)
            yield Reading("power_rail_watts", millivolts * milliamperes / 1e6, labels)


PLUGIN = JetsonProbe
