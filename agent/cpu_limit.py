"""How much processor time the kernel lets us have: the quotas of our control groups, if any.

A container, or a unit with ``CPUQuota=``, computes for a part of each period and then stands still
until the next. Version 2 of control groups says so in ``cpu.max``, version 1 in ``cpu.cfs_*``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from wire.profile_report import CpuLimit

MOUNTS: Final = Path("proc/self/mountinfo")
MEMBERSHIP: Final = Path("proc/self/cgroup")
_MICROSECOND: Final = 1e-6


def of_this_process(root: Path = Path("/")) -> CpuLimit | None:
    """Return the narrowest quota above this process; None: it has none, or nobody tells.

    Args:
        root: Of the file system that is looked at.
    """
    try:
        mounts = (root / MOUNTS).read_text().splitlines()
        groups = (root / MEMBERSHIP).read_text().splitlines()
    except OSError:
        return None
    found = [
        limit
        for folder, top in _folders(mounts, groups, root)
        for group in (folder, *folder.parents)
        if group.is_relative_to(top) and (limit := _limit(group)) is not None
    ]
    return min(found, key=lambda one: one.quota_seconds / one.period_seconds, default=None)


def _folders(mounts: list[str], groups: list[str], root: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the folder of each of our groups, and the top of its tree."""
    ours = {}
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            ours[controllers and "cpu"] = path
    for line in mounts:
        front, _, back = line.partition(" - ")
        _, _, _, begins, point, *_ = front.split()
        kind, _, options = back.split(" ", 2)
        version = {"cgroup2": "", "cgroup": "cpu"}.get(kind)
        if version not in ours or (version and "cpu" not in options.split(",")):
            continue
        top = root / point.removeprefix("/")
        inside = ours[version].removeprefix("" if begins == "/" else begins)
        yield top / inside.removeprefix("/"), top


def _limit(group: Path) -> CpuLimit | None:
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu.cfs_period_us").read_text().strip()
        if quota in {"max", "-1"}:
            return None
        return CpuLimit(
            quota_seconds=int(quota) * _MICROSECOND, period_seconds=int(period) * _MICROSECOND
        )
    except (OSError, ValueError):
        return None
