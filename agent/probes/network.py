"""Traffic, faults and links of the physical network interfaces.

Physical is what has a ``device`` in sysfs: no loopback, bridges, tunnels and containers' ends.

Source: Linux, Documentation/ABI/testing/sysfs-class-net (``speed`` in Mbit/s, -1 where unknown;
``carrier`` cannot be read while the interface is down); net/core/net-procfs.c (``/proc/net/dev``),
net/wireless/wext-proc.c (``/proc/net/wireless``; the third value is the level in dBm).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from agent import sysfs as kernel
from agent.probes import Reading

MAX_INTERFACES: Final = 8
_COLUMNS: Final = {
    "received_bytes": (0,),
    "sent_bytes": (8,),
    "errors_total": (2, 10),
    "dropped_total": (3, 11),
}
"""In ``/proc/net/dev``: eight of what came in, then eight of what went out."""


@dataclass(frozen=True, slots=True)
class NetworkProbe:
    """Reads every physical interface."""

    EVERY_SECONDS: ClassVar[float] = 5.0

    sysfs: Path = Path("/sys")
    procfs: Path = Path("/proc")

    def read(self) -> Iterator[Reading]:
        """Yield counts since the boot, whether there is a carrier, its speed, a radio's signal."""
        found = kernel.entries(self.sysfs / "class/net", r".+")
        physical = [each for each in found if (each / "device").exists()]
        counts = self._rows("net/dev")
        signals = self._rows("net/wireless") if physical else {}
        for interface in physical[:MAX_INTERFACES]:
            labels = (("interface", interface.name),)
            row = counts.get(interface.name, ())
            for name, columns in _COLUMNS.items() if len(row) >= 16 else ():
                yield Reading(f"network_{name}", sum(int(row[at]) for at in columns), labels)
            carrier = kernel.number(interface / "carrier")
            yield Reading("network_carrier_flag", carrier or 0, labels)
            megabits = kernel.number(interface / "speed")
            if carrier and megabits and megabits > 0:
                yield Reading("network_link_bits_per_second", megabits * 1e6, labels)
            signal = signals.get(interface.name, ())
            if len(signal) > 2 and signal[2].strip("-.").isdecimal():
                yield Reading("network_signal_dbm", float(signal[2]), labels)

    def _rows(self, file: str) -> dict[str, list[str]]:
        """Return the values of each interface: two lines of headings, then ``eth0:  12 34 ...``."""
        found = {}
        for line in (kernel.text(self.procfs / file) or "").splitlines()[2:]:
            name, _, values = line.partition(":")
            found[name.strip()] = values.split()
        return found


PLUGIN = NetworkProbe
