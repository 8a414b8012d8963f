"""Whether the processor is being slowed down, and whether it was.

Raspberry Pi. The firmware gives 20 bits: 0 under-voltage, 1 frequency capped, 2 throttled, 3 soft
temperature limit, and the same as "has occurred" from bit 16 on (raspberrypi.com/documentation,
computers/os.html, get_throttled). Three ways lead to them:
``devices/platform/soc/soc:firmware/get_throttled`` (hexadecimal without ``0x``; drivers/firmware/
raspberrypi.c of github.com/raspberrypi/linux: the value that the voltage driver asked for last, at
most 2 s ago; the kernel logs once that the file is deprecated); the alarm of the voltage driver,
under-voltage only (drivers/hwmon/raspberrypi-hwmon.c, ``rpi_volt``, also in mainline); and
``vcgencmd``, which needs ``/dev/vcio``. That driver lets the firmware clear "has occurred" each
time it asks, so what was seen is kept here as long as the agent lives.

x86. ``cpuN/thermal_throttle/*_count`` count since the boot (arch/x86, therm_throt.c). A package's
count is the same at each of its cores.
"""

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from agent import sysfs as kernel
from agent.probes import Reading

KINDS: Final = ("undervoltage", "frequency_capped", "throttled", "soft_temperature_limit")
"""By bit; the name of each as a label."""
OCCURRED_BITS: Final = 16
COMMAND_EVERY_SECONDS: Final = 60.0
COMMAND_SECONDS: Final = 2.0
"""How long ``vcgencmd`` may take."""


def ask_firmware() -> int | None:
    """Return the bits as ``vcgencmd`` says them: ``throttled=0x50000``; None: it does not."""
    try:
        said = subprocess.run(
            ["vcgencmd", "get_throttled"],
            capture_output=True,
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
        )
        return int(said.stdout.decode().strip().rpartition("=")[2], 16)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


@dataclass(slots=True)
class ThrottlingProbe:
    """Remembers what has occurred. The Pi's driver asks every 2 s, so this asks as often."""

    EVERY_SECONDS: ClassVar[float] = 2.0

    sysfs: Path = Path("/sys")
    ask: Callable[[], int | None] = ask_firmware
    clock_seconds: Callable[[], float] = time.monotonic
    _occurred: int = field(default=0, init=False)
    _asked: int | None = field(default=None, init=False)
    _ask_at: float | None = field(default=None, init=False)
    _count: int | None = field(default=None, init=False)

    def read(self) -> Iterator[Reading]:
        """Yield a flag for each kind, now and since the boot or start; counts of an x86."""
        bits = self._pi_bits()
        if bits is not None:
            self._occurred |= bits >> OCCURRED_BITS | bits
            for bit, kind in enumerate(KINDS):
                yield _flag(kind, "now", bits >> bit & 1)
                yield _flag(kind, "occurred", self._occurred >> bit & 1)
        count = self._x86_count()
        if count is not None:
            before, self._count = self._count, count
            yield Reading("throttle_events_total", count)
            yield _flag("throttled", "now", int(before is not None and count > before))

    def _pi_bits(self) -> int | None:
        for platform in kernel.entries(self.sysfs / "devices/platform", r"soc(@[0-9a-f]+)?"):
            for firmware in kernel.entries(platform, r"soc(@[0-9a-f]+)?:firmware"):
                told = kernel.text(firmware / "get_throttled")
                if told:
                    return int(told, 16)
        for chip in kernel.entries(self.sysfs / "class/hwmon", r"hwmon\d+"):
            if kernel.text(chip / "name") == "rpi_volt":
                return self._command_bits() | (kernel.number(chip / "in0_lcrit_alarm") or 0)
        return None

    def _command_bits(self) -> int:
        """Return what ``vcgencmd`` said last; it is asked rarely, and no more where it is not."""
        now = self.clock_seconds()
        if self._ask_at is None or (self._asked is not None and now >= self._ask_at):
            self._asked = self.ask()
            self._ask_at = now + COMMAND_EVERY_SECONDS
        return self._asked or 0

    def _x86_count(self) -> int | None:
        cores: list[int] = []
        packages: dict[str, int] = {}
        for cpu in kernel.entries(self.sysfs / "devices/system/cpu", r"cpu\d+"):
            count = kernel.number(cpu / "thermal_throttle/core_throttle_count")
            if count is None:
                break  # no x86 with these counters: no need to look at the other cores
            cores.append(count)
            package = kernel.text(cpu / "topology/physical_package_id") or "0"
            if package not in packages:
                path = cpu / "thermal_throttle/package_throttle_count"
                packages[package] = kernel.number(path) or 0
        return sum(cores) + sum(packages.values()) if cores else None


def _flag(kind: str, span: str, value: int) -> Reading:
    return Reading("throttled_flag", value, (("kind", kind), ("span", span)))


PLUGIN = ThrottlingProbe
