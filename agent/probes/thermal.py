"""Temperatures of the kernel's thermal zones."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.probes import Reading


@dataclass(frozen=True, slots=True)
class ThermalProbe:
    """Reads ``/sys/class/thermal``; tests point ``sysfs`` at a folder of fixtures."""

    sysfs: Path = Path("/sys/class/thermal")

    def read(self) -> Iterator[Reading]:
        """Yield one reading for each zone that answers."""
        for zone in sorted(self.sysfs.glob("thermal_zone*")):
            try:
                millidegrees = int((zone / "temp").read_text())
                kind = (zone / "type").read_text().strip()
            except (OSError, ValueError):
                continue  # a zone may vanish or refuse while its driver sleeps
            labels = (("zone", kind), ("number", zone.name.removeprefix("thermal_zone")))
            yield Reading("thermal_celsius", millidegrees / 1000, labels)


PLUGIN = ThermalProbe
