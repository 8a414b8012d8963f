"""Traffic, faults and links of the physical network interfaces.

Physical is what has a ``device`` in sysfs: no loopback, bridges, tunnels and containers' ends.

Source: Linux, Documentation/ABI/testing/sysfs-class-net (``speed`` in Mbit/s, -1 where unknown;
``carrier`` cannot be read while the interface is down), sysfs-class-net-statistics, and
Documentation/networking/statistics.rst; net/wireless/wext-proc.c (``/proc/net/wireless``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from agent import sysfs as kernel
from agent.probes import Reading

MAX_INTERFACES: Final = 8
_STATISTICS: Final = {
    "received_bytes": ("rx_bytes",),
    "sent_bytes": ("tx_bytes",),
    "errors_total": ("rx_errors", "tx_errors"),
    "dropped_total": ("rx_dropped", "tx_dropped"),
}


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
        signals = self._signals() if physical else {}
        for interface in physical[:MAX_INTERFACES]:
            labels = (("interface", interface.name),)
            for name, files in _STATISTICS.items():
                counts = [kernel.number(interface / "statistics" / file) for file in files]
                yield Reading(f"network_{name}", sum(count or 0 for count in counts), labels)
            carrier = kernel.number(interface / "carrier")
            yield Reading("network_carrier_flag", carrier or 0, labels)
            megabits = kernel.number(interface / "speed")
            if carrier and megabits and megabits > 0:
                yield Reading("network_link_bits_per_second", megabits * 1e6, labels)
            if interface.name in signals:
                yield Reading("network_signal_dbm", signals[interface.name], labels)

    def _signals(self) -> dict[str, float]:
        """Return the signal of each radio: `wlan0: 0000   54.  -56.  -256 ...`."""
        found = {}
        for line in (kernel.text(self.procfs / "net/wireless") or "").splitlines()[2:]:
            name, _, rest = line.partition(":")
            fields = rest.split()
            if len(fields) > 2 and fields[2].rstrip(".").lstrip("-").isdecimal():
                found[name.strip()] = float(fields[2])
        return found


PLUGIN = NetworkProbe
