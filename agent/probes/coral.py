"""Coral accelerators: temperature and state on PCIe, presence and speed of the link on USB.

On a USB 2 port or cable a stick's link is 480 Mbit/s, a common reason for slow inference.

Source: the gasket and apex drivers (github.com/google/gasket-driver: ``temp`` and
``trip_point0_temp``, where the clock is halved, to ``trip_point2_temp``, where an eighth of it is
left, in thousandths of a degree; ``status`` is ALIVE,
LAMED, DEAD or DRIVER_EXITING); Linux, Documentation/ABI/testing/sysfs-bus-usb and
Documentation/ABI/stable/sysfs-bus-usb (``speed`` in Mbit/s).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from agent import coral
from agent import sysfs as kernel
from agent.probes import Reading


@dataclass(frozen=True, slots=True)
class CoralProbe:
    """Reads ``class/apex`` and ``bus/usb``."""

    EVERY_SECONDS: ClassVar[float] = 5.0

    sysfs: Path = Path("/sys")

    def read(self) -> Iterator[Reading]:
        """Yield what each accelerator says of itself."""
        temperatures = {
            "temp": "coral_celsius",
            "trip_point0_temp": "coral_limit_celsius",
            "trip_point2_temp": "coral_slowest_celsius",
        }
        for apex in coral.cards(self.sysfs):
            labels = (("device", apex.name),)
            status = kernel.text(apex / "status")
            if status:
                yield Reading("coral_alive_flag", int(status == "ALIVE"), labels)
            for file, name in temperatures.items():
                millidegrees = kernel.number(apex / file)
                if millidegrees is not None:
                    yield Reading(name, millidegrees / 1000, labels)
        for stick, firmware in coral.sticks(self.sysfs):
            where = (("device", f"usb {stick.name}"), ("firmware", firmware))
            megabits = kernel.number(stick / "speed") or 0
            yield Reading("coral_link_bits_per_second", megabits * 1e6, where)


PLUGIN = CoralProbe
