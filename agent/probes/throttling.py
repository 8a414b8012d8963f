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
from typing import ClassVar, Final, NamedTuple

from agent import sysfs as kernel
from agent.probes import Reading

KINDS: Final = ("undervoltage", "frequency_capped", "throttled", "soft_temperature_limit")
"""By bit; the name of each as a label."""
OCCURRED_BITS: Final = 16
COMMAND_EVERY_SECONDS: Final = 60.0
LOOK_EVERY_SECONDS: Final = 60.0
"""How often a device on which nothing was found is looked at again: a driver may come late."""
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
    _files: "_Files | None" = field(default=None, init=False)
    _look_at: float = field(default=0.0, init=False)

    def read(self) -> Iterator[Reading]:
        """Yield a flag for each kind, now and since the boot or start; counts of an x86."""
        now = self.clock_seconds()
        if self._files is None or (now >= self._look_at and not any(self._files)):
            self._files = _Files.found(self.sysfs)
            self._look_at = now + LOOK_EVERY_SECONDS
        bits = self._pi_bits(self._files)
        if bits is not None:
            self._occurred |= bits >> OCCURRED_BITS | bits
            for bit, kind in enumerate(KINDS):
                yield _flag(kind, "now", bits >> bit & 1)
                yield _flag(kind, "occurred", self._occurred >> bit & 1)
        if self._files.counts:
            count = sum(kernel.number(path) or 0 for path in self._files.counts)
            before, self._count = self._count, count
            yield Reading("throttle_events_total", count)
            yield _flag("throttled", "now", int(before is not None and count > before))

    def _pi_bits(self, files: "_Files") -> int | None:
        told = kernel.text(files.bits) if files.bits else None
        if told:
            return int(told, 16)
        if files.alarm:
            return self._command_bits() | (kernel.number(files.alarm) or 0)
        return None

    def _command_bits(self) -> int:
        """Return what ``vcgencmd`` said last; it is asked rarely, and no more where it is not."""
        now = self.clock_seconds()
        if self._ask_at is None or (self._asked is not None and now >= self._ask_at):
            self._asked = self.ask()
            self._ask_at = now + COMMAND_EVERY_SECONDS
        return self._asked or 0


class _Files(NamedTuple):
    """What there is to read on this device."""

    bits: Path | None
    alarm: Path | None
    counts: tuple[Path, ...]

    @classmethod
    def found(cls, sysfs: Path) -> "_Files":
        """Return what there is below ``sysfs``."""
        firmwares = (
            firmware / "get_throttled"
            for platform in kernel.entries(sysfs / "devices/platform", r"soc(@[0-9a-f]+)?")
            for firmware in kernel.entries(platform, r"soc(@[0-9a-f]+)?:firmware")
        )
        alarms = (
            chip / "in0_lcrit_alarm"
            for chip in kernel.entries(sysfs / "class/hwmon", r"hwmon\d+")
            if kernel.text(chip / "name") == "rpi_volt"
        )
        bits = next((file for file in firmwares if file.exists()), None)
        return cls(bits, next(alarms, None), tuple(_x86_counts(sysfs)))


def _x86_counts(sysfs: Path) -> Iterator[Path]:
    packages = set()
    for cpu in kernel.entries(sysfs / "devices/system/cpu", r"cpu\d+"):
        folder = cpu / "thermal_throttle"
        if not folder.exists():
            return  # no x86 with these counters: no need to look at the other cores
        yield folder / "core_throttle_count"
        package = kernel.text(cpu / "topology/physical_package_id") or "0"
        if package not in packages:
            packages.add(package)
            yield folder / "package_throttle_count"


def _flag(kind: str, span: str, value: int) -> Reading:
    return Reading("throttled_flag", value, (("kind", kind), ("span", span)))


PLUGIN = ThrottlingProbe
