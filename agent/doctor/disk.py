"""The disk under the agent's state folder: room, whether it can be written and by whom, wear."""

import os
import pwd
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from agent.config import Config
from agent.doctor import Group, note, ok, problem, warning
from agent.examination.subject import Subject
from agent.health.problems import WORN_RATIO
from agent.probes.wear import WearProbe
from wire.reports import Finding

LEAST_BYTES: Final = 256 << 20
SLOW_SECONDS: Final = 0.5
_SAMPLE: Final = bytes(4096)


class Mount(NamedTuple):
    """The file system that holds a folder."""

    point: str
    kind: str
    read_only: bool


def findings(subject: Subject) -> Iterator[Finding]:
    """Yield whether segments and the journal can be kept."""
    config = subject.config
    if config is not None:
        yield from state_folder(subject, config)
    yield from wear(subject)


def state_folder(subject: Subject, config: Config) -> Iterator[Finding]:
    """Yield what is said of the state folder, or of where it will be made."""
    folder = config.state_folder
    there = next(p for p in (folder, *folder.parents) if _is_seen(p))
    mount = mount_of(there.resolve(), subject.text("proc/self/mountinfo") or "")
    if mount is not None and mount.read_only:
        yield problem(
            "disk.read_only",
            f"{mount.point} ({mount.kind}), which holds {folder}, is mounted read-only",
            f"sudo mount -o remount,rw {mount.point}; a file system that fails makes itself so:"
            " look into `dmesg`",
        )
        return
    yield from owner(folder)
    yield room(shutil.disk_usage(there).free, _used(folder / "store"), config, there)
    if there == folder:
        yield from synced_write(folder)


def mount_of(folder: Path, mountinfo: str) -> Mount | None:
    """Return the file system of a folder.

    Source: proc_pid_mountinfo(5): point and options are fields 5 and 6, the kind stands behind
    the dash.
    """
    best: Mount | None = None
    for line in mountinfo.splitlines():
        before, _, behind = line.partition(" - ")
        fields, kinds = before.split(), behind.split()
        if len(fields) < 6 or len(kinds) < 3:
            continue
        point = fields[4].replace("\\040", " ")
        if folder.is_relative_to(point) and (best is None or len(point) >= len(best.point)):
            options = {*fields[5].split(","), *kinds[2].split(",")}
            best = Mount(point, kinds[0], "ro" in options)
    return best


def owner(folder: Path) -> Iterator[Finding]:
    """Yield whose the state folder is, and whether others can look into it."""
    try:
        found = folder.stat()
    except PermissionError:
        yield note("disk.state_folder", f"{folder} is closed to us", "sudo paceline doctor")
        return
    except OSError:
        yield note("disk.state_folder", f"{folder} does not exist yet; the agent makes it")
        return
    said = f"{folder} belongs to {_user(found.st_uid)} (mode {found.st_mode & 0o7777:04o})"
    if os.geteuid() not in {0, found.st_uid}:
        yield note(
            "disk.state_folder", f"{said}, we are {_user(os.geteuid())}", "sudo paceline doctor"
        )
    elif found.st_mode & 0o022:
        yield warning("disk.state_folder", f"{said}: others can write there", f"chmod 700 {folder}")
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield problem("disk.state_folder", f"{said} and cannot be written", f"chmod u+rwx {folder}")
    else:
        yield ok("disk.state_folder", said)


def room(free: int, used: int, config: Config, there: Path) -> Finding:
    """Return whether the disk has room for what the store may hold."""
    limit = config.limits.store_bytes
    wanted = None if limit is None else max(0, limit - used)
    said = f"{_size(free)} free at {there}"
    if free < LEAST_BYTES:
        return problem("disk.room", said, "free disk space: segments and the journal need it")
    if limit is not None and wanted is not None and free < wanted:
        return warning(
            "disk.room",
            f"{said}; limits.store_bytes allows {_size(limit)}, of which {_size(used)} are used",
            f"free disk space, or write `store_bytes: {(free + used) >> 21 << 20}` below `limits:`",
        )
    return ok("disk.room", f"{said}; the store holds {_size(used)}")


def synced_write(folder: Path) -> Iterator[Finding]:
    """Yield how long one synced write takes; the file has no name and leaves nothing."""
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600)
    except OSError:
        return  # not every file system has files without names; the agent itself tells more
    try:
        began = time.monotonic()
        os.write(descriptor, _SAMPLE)
        os.fsync(descriptor)
        seconds = time.monotonic() - began
    except OSError as error:
        yield problem(
            "disk.write",
            f"{folder} cannot be written ({error.strerror})",
            "free disk space, or look into `dmesg` for errors of the disk",
        )
        return
    finally:
        os.close(descriptor)
    said = f"a synced write of 4 KiB took {seconds * 1e3:.1f} ms"
    if seconds > SLOW_SECONDS:
        yield warning("disk.write", said, "use an SSD or a better card: the journal is synced")
    else:
        yield ok("disk.write", said)


def wear(subject: Subject) -> Iterator[Finding]:
    """Yield what eMMC cards and ext4 file systems say of their age and errors.

    Source: Linux, Documentation/ABI/testing/sysfs-fs-ext4; of cards, see the probe.
    """
    kinds = {"disk_life_used_ratio": "life", "disk_spare_used_ratio": "spare blocks"}
    for reading in WearProbe(sysfs=subject.path("sys")).read():
        if reading.name not in kinds:
            continue
        what = f"{reading.label('disk')} says that {reading.value:.0%} of its {kinds[reading.name]}"
        if reading.value >= WORN_RATIO:
            fix = "replace it soon, and keep a copy of its content"
            yield warning("disk.wear", f"{what} is used", fix)
        else:
            yield ok("disk.wear", f"{what} is used")
    for system in sorted(subject.path("sys/fs/ext4").glob("*")):
        errors = subject.text(f"sys/fs/ext4/{system.name}/errors_count") or "0"
        if errors.isdigit() and int(errors):
            text = f"the file system on {system.name} has counted {errors} errors"
            yield warning("disk.errors", text, f"fsck /dev/{system.name} when it is not mounted")


def _is_seen(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return False


def _used(store: Path) -> int:
    """Return the bytes below a folder, as far as we may look."""
    return sum(
        Path(folder, name).lstat().st_size for folder, _, names in os.walk(store) for name in names
    )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _size(size_bytes: float) -> str:
    return (
        f"{size_bytes / (1 << 30):.1f} GiB"
        if size_bytes >= 1 << 30
        else f"{size_bytes / (1 << 20):.0f} MiB"
    )


PLUGIN = Group("Disk", findings, device_only=True)
