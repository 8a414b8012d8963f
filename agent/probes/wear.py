"""How worn the device's disks say they are. Read rarely: a card answers by a command of its own.

An SD card says nothing of the kind; bytes written over the file system's life are a hint there.
NVMe and SATA disks tell their wear to root only (SMART), so nothing is read of them.

Source: JEDEC JESD84-B51, DEVICE_LIFE_TIME_EST_TYP_A/B and PRE_EOL_INFO, which
drivers/mmc/core/mmc.c shows as ``life_time`` (two numbers, tenths of the life used: 1 is up to
10 %, 11 is exceeded, 0 is not told) and ``pre_eol_info`` (1 normal, 2 eighty per cent of the spare
blocks used, 3 ninety); Linux, Documentation/ABI/testing/sysfs-fs-ext4 and sysfs-fs-f2fs
(``lifetime_write_kbytes``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from agent import sysfs as kernel
from agent.probes import Reading

_SPARE_USED: Final = {1: 0.0, 2: 0.8, 3: 0.9}


@dataclass(frozen=True, slots=True)
class WearProbe:
    """Reads eMMC cards, and ext4 and f2fs file systems."""

    EVERY_SECONDS: ClassVar[float] = 600.0

    sysfs: Path = Path("/sys")

    def read(self) -> Iterator[Reading]:
        """Yield used life and used spare blocks (upper ends, 1 is all), and bytes ever written."""
        for disk in kernel.entries(self.sysfs / "block", r"mmcblk\d+"):
            labels = (("disk", disk.name),)
            lives = (kernel.text(disk / "device/life_time") or "").split()
            if used := max((int(life, 16) for life in lives), default=0):
                yield Reading("disk_life_used_ratio", used / 10, labels)
            spare = _SPARE_USED.get(kernel.number(disk / "device/pre_eol_info") or 0)
            if spare is not None:
                yield Reading("disk_spare_used_ratio", spare, labels)
        for kind in ("ext4", "f2fs"):
            for system in kernel.entries(self.sysfs / "fs" / kind, r".*"):
                kilobytes = kernel.number(system / "lifetime_write_kbytes")
                if kilobytes is not None:
                    labels = (("disk", system.name),)
                    yield Reading("disk_lifetime_written_bytes", kilobytes * 1024, labels)


PLUGIN = WearProbe
