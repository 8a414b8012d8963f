"""Which kind of device this is, and what the service needs there: found in its own files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NAMES: Final = ("raspberry-pi", "x86", "coral", "jetson")
"""Each has an example configuration of its own."""

GROUPS: Final = {
    "coral": ("plugdev", "apex"),
    "gpu": ("video", "render"),
    "jetson": ("video", "render"),
}
"""The drop-ins of the unit, and the groups that own their devices."""

_CORAL_USB: Final = {("1a6e", "089a"), ("18d1", "9302")}
"""A stick before and after its firmware is loaded."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of device."""

    name: str
    drop_ins: tuple[str, ...]
    evidence: str
    """Why it is taken for one."""


def named(name: str) -> Kind:
    """Return the kind that the user named."""
    return Kind(name, (name,) if name in GROUPS else (), "--like")


def detected(root: Path = Path("/")) -> Kind:
    """Return the kind of the device whose files are below ``root``."""
    drop_ins = dict(_accelerators(root))
    model = _text(root / "proc/device-tree/model")
    if "jetson" in drop_ins:
        return Kind("jetson", tuple(drop_ins), drop_ins["jetson"])
    if "coral" in drop_ins:
        return Kind("coral", tuple(drop_ins), drop_ins["coral"])
    if "Raspberry Pi" in model:
        return Kind("raspberry-pi", tuple(drop_ins), model)
    return Kind("x86", tuple(drop_ins), drop_ins.get("gpu", "no board or accelerator known to us"))


def again(noted: Kind, found: Kind) -> Kind:
    """Return the kind that was installed for, with what was plugged in since. Pure."""
    drop_ins = tuple(dict.fromkeys((*noted.drop_ins, *found.drop_ins)))
    return Kind(noted.name, drop_ins, "as it was installed")


def groups(drop_ins: tuple[str, ...], root: Path = Path("/")) -> tuple[str, ...]:
    """Return the groups that the drop-ins need and that exist."""
    lines = _text(root / "etc/group").splitlines()
    there = {line.partition(":")[0] for line in lines}
    return tuple(dict.fromkeys(g for name in drop_ins for g in GROUPS[name] if g in there))


def _accelerators(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (drop-in, evidence)."""
    compatible = _text(root / "proc/device-tree/compatible")
    if "nvidia,tegra" in compatible:
        yield "jetson", compatible.partition("\n")[0]
    elif (root / "etc/nv_tegra_release").exists():
        yield "jetson", "/etc/nv_tegra_release"
    elif (root / "dev/nvidiactl").exists():
        yield "gpu", "/dev/nvidiactl"
    for node in sorted((root / "dev").glob("apex_*")):
        yield "coral", f"/dev/{node.name}"
    for device in sorted((root / "sys/bus/usb/devices").glob("*/idVendor")):
        found = (_text(device), _text(device.with_name("idProduct")))
        if found in _CORAL_USB:
            yield "coral", f"USB {':'.join(found)}"


def _text(path: Path) -> str:
    """Return a file's text; device trees end lines with zero bytes."""
    try:
        return path.read_bytes().decode(errors="replace").replace("\0", "\n").strip()
    except OSError:
        return ""
