"""Temperatures of the kernel's thermal zones, and what the kernel does about them.

Source: Linux, Documentation/ABI/testing/sysfs-class-thermal (thousandths of a degree; a cooling
device at state 0 does nothing, at ``max_state`` all it can).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from agent import sysfs as kernel
from agent.probes import Reading

_SERIOUS: Final = {"critical", "hot"}


@dataclass(slots=True)
class ThermalProbe:
    """Reads ``class/thermal``. A zone's limits do not change and are read once."""

    EVERY_SECONDS: ClassVar[float] = 5.0

    sysfs: Path = Path("/sys")
    _limits: dict[Path, float | None] = field(default_factory=dict, init=False)

    def read(self) -> Iterator[Reading]:
        """Yield temperature and limit of each zone that answers, and how hard each cooler works."""
        folder = self.sysfs / "class/thermal"
        for zone in kernel.entries(folder, r"thermal_zone\d+"):
            millidegrees, kind = kernel.number(zone / "temp"), kernel.text(zone / "type")
            if millidegrees is None or kind is None:
                continue  # a zone may vanish or refuse while its driver sleeps
            labels = (("zone", kind), ("number", zone.name.removeprefix("thermal_zone")))
            yield Reading("thermal_celsius", millidegrees / 1000, labels)
            if zone not in self._limits:
                self._limits[zone] = _limit_celsius(zone)
            if (limit := self._limits[zone]) is not None:
                yield Reading("thermal_limit_celsius", limit, labels)
        for cooler in kernel.entries(folder, r"cooling_device\d+"):
            state, most = kernel.number(cooler / "cur_state"), kernel.number(cooler / "max_state")
            if state is not None and most:
                number = cooler.name.removeprefix("cooling_device")
                labels = (("cooler", kernel.text(cooler / "type") or ""), ("number", number))
                yield Reading("cooling_ratio", min(1.0, state / most), labels)


def _limit_celsius(zone: Path) -> float | None:
    """Return the lowest temperature that the zone's driver calls hot or critical."""
    found = []
    for trip in kernel.entries(zone, r"trip_point_\d+_type"):
        if kernel.text(trip) in _SERIOUS:
            temperature = kernel.number(trip.with_name(trip.name.replace("_type", "_temp")))
            if temperature is not None and temperature > 0:
                found.append(temperature / 1000)
    return min(found, default=None)


PLUGIN = ThermalProbe
