"""Coral's Edge TPUs as the kernel lists them: found without opening one.

A stick is 1a6e:089a until a program loads its firmware, then 18d1:9302; a card is an ``apex``
device of its own driver.

Source: github.com/google-coral/libedgetpu (``usb:<N>`` and ``pci:<N>`` count each kind from 0).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agent import sysfs as kernel

USB_IDS: Final = {("1a6e", "089a"): "unloaded", ("18d1", "9302"): "loaded"}
"""Vendor and product, and whether its firmware is loaded."""
ON_CHIP_BYTES: Final = 8 << 20
"""Memory for parameters on each Edge TPU; what does not fit travels with every frame."""

LIBRARY: Final = "libedgetpu.so.1"
LIBRARY_VARIABLE: Final = "PACELINE_EDGETPU_LIBRARY"
"""The environment's name of another delegate library's path."""
SYSFS_VARIABLE: Final = "PACELINE_EDGETPU_SYSFS"
"""The environment's name of another root than ``/sys`` where Edge TPUs are looked for."""


def library(environ: Mapping[str, str] = os.environ) -> str:
    """Return the name or path of the delegate's library."""
    return environ.get(LIBRARY_VARIABLE) or LIBRARY


def sysfs(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that Edge TPUs are looked for in."""
    return Path(environ.get(SYSFS_VARIABLE) or "/sys")


def cards(root: Path) -> list[Path]:
    """Return the folders of the cards, in their order."""
    return kernel.entries(root / "class/apex", r"apex_\d+")


def sticks(root: Path) -> list[tuple[Path, str]]:
    """Return the folders of the sticks, in their order, and whether the firmware is loaded."""
    found = []
    for device in kernel.entries(root / "bus/usb/devices", r"\d+-[\d.]+"):
        ids = kernel.text(device / "idVendor") or "", kernel.text(device / "idProduct") or ""
        if ids in USB_IDS:
            found.append((device, USB_IDS[ids]))
    return found


def accelerators(root: Path) -> tuple[str, ...]:
    """Return the delegate's names of the Edge TPUs: cards first, they are faster."""
    return (
        *(f"pci:{number}" for number in range(len(cards(root)))),
        *(f"usb:{number}" for number in range(len(sticks(root)))),
    )
