"""A slot: one version's environment below the state folder; ``current`` points to one of them.

A slot is made and tried by root in a folder that nobody else can write to, and then moved to its
place: the folder of slots belongs to the agent, which will bring its own updates there.
"""

import base64
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from paceline.device import places
from paceline.device.closure import Closure, Installed
from paceline.device.errors import EnvironmentUnusableError, SlotFailedError
from wire.reports import ProbeReport

TRY_SECONDS: Final = 300.0
_SAID_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class Slot:
    """What a slot holds."""

    name: str
    """``VERSION-DIGEST``."""
    closure: Closure
    python: Path
    """The program that its ``bin/python`` is a link to."""


def base_python() -> Path:
    """Return the real Python program behind this environment."""
    return Path(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))


def slot_of(closure: Closure, python: Path) -> Slot:
    """Return the slot of these distributions, run by this Python."""
    digest = closure.digest(f"{sys.implementation.cache_tag} {python}")[:8]
    return Slot(f"{closure.versions['paceline']}-{digest}", closure, python)


def make(slot: Slot, root: Path, owner: tuple[int, int]) -> ProbeReport:
    """Make the slot and put it into its place; returns what its runtimes can do.

    Raises:
        EnvironmentUnusableError: A file is not the one that was installed.
        SlotFailedError: The slot does not run.
        OSError: It cannot be written.
    """
    parent = places.below(root, places.STATE).parent
    with tempfile.TemporaryDirectory(prefix=".paceline-", dir=parent) as scratch:
        folder = Path(scratch) / slot.name
        _write(slot, folder)
        report = _tried(folder)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, *owner, follow_symlinks=False)
        with _opened(places.below(root, places.SLOTS)) as slots:
            with suppress(FileNotFoundError):  # one that is not whole
                os.rename(slot.name, Path(scratch) / "before", src_dir_fd=slots)
            os.rename(folder, slot.name, dst_dir_fd=slots)
    return report


def is_whole(slot: Slot, root: Path) -> bool:
    """Whether the slot is in its place with all that was tried when it was made, byte for byte.

    It is looked at and not run: it belongs to the agent, whose code root does not run.
    """
    folder = places.below(root, places.SLOTS) / slot.name
    packages = _packages(folder)
    try:
        return (
            not folder.is_symlink()
            and (folder / "bin" / "python").readlink() == slot.python
            and (folder / "pyvenv.cfg").read_text() == _settings(slot)
            and all(_is_same(file, packages / file.name) for file in slot.closure.files)
        )
    except (OSError, UnicodeDecodeError):
        return False


def switch(name: str, root: Path, owner: tuple[int, int]) -> None:
    """Let ``current`` point to a slot: afterwards it is the old or the new one, never neither."""
    fresh = ".current"
    with _opened(places.below(root, places.SLOTS)) as slots:
        if os.path.lexists(places.below(root, places.SLOTS) / fresh):
            os.unlink(fresh, dir_fd=slots)
        os.symlink(name, fresh, dir_fd=slots)
        os.chown(fresh, *owner, dir_fd=slots, follow_symlinks=False)
        os.rename(fresh, "current", src_dir_fd=slots, dst_dir_fd=slots)
        os.fsync(slots)


def present(root: Path) -> tuple[str | None, tuple[str, ...]]:
    """Return the name of the current slot, and the names of all, oldest first."""
    folder = places.below(root, places.SLOTS)
    try:
        entries = [entry for entry in folder.iterdir() if not entry.is_symlink()]
        link = folder / places.CURRENT.name
        current = str(link.readlink()) if link.is_symlink() else None
    except OSError:
        return None, ()  # none, or not for this user's eyes
    entries.sort(key=lambda entry: entry.stat().st_mtime_ns)
    return current, tuple(entry.name for entry in entries if not entry.name.startswith("."))


def superfluous(new: str, current: str | None, there: Iterable[str]) -> tuple[str, ...]:
    """Return the slots to remove: all but the new one and the one before it. Pure."""
    others = [name for name in there if name != new]
    before = current if current in others else (others[-1] if others else None)
    return tuple(name for name in others if name != before)


def remove(name: str, root: Path) -> None:
    """Remove a slot."""
    shutil.rmtree(places.below(root, places.SLOTS) / name)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a folder as it is: no link is followed that was put in its place."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield folder
    finally:
        os.close(folder)


def _write(slot: Slot, folder: Path) -> None:
    packages = _packages(folder)
    packages.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(slot.python)
    (folder / "pyvenv.cfg").write_text(_settings(slot))
    for file in slot.closure.files:
        _copy(file, packages / file.name)
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        path.chmod(0o755)


def _packages(folder: Path) -> Path:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return folder / "lib" / version / "site-packages"


def _settings(slot: Slot) -> str:
    return f"home = {slot.python.parent}\ninclude-system-site-packages = false\n"


def _is_same(file: Installed, copy: Path) -> bool:
    """Whether a copy is a file, and has what the wheel said."""
    descriptor = os.open(copy, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        return file.sha256 is None or _digest(hashlib.file_digest(opened, "sha256")) == file.sha256


def _digest(hashed: "hashlib._Hash") -> str:
    """Return a digest as a list of installed files has it."""
    return base64.urlsafe_b64encode(hashed.digest()).rstrip(b"=").decode()


def _copy(file: Installed, target: Path) -> None:
    try:
        data = file.source.read_bytes()
    except OSError as error:
        problem = f"{file.source} cannot be read ({error.strerror or error})"
        raise EnvironmentUnusableError(f"{problem}; install this environment anew") from error
    digest = _digest(hashlib.sha256(data))
    if file.sha256 is not None and digest != file.sha256:
        raise EnvironmentUnusableError(
            f"{file.source} was changed after it was installed; install this environment anew"
            " (pip install --force-reinstall ...)"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    target.chmod(0o644 | (file.source.stat().st_mode & 0o111))


def _tried(folder: Path) -> ProbeReport:
    """Run the agent of a slot; what it compiles on the way stays in it."""
    _run(folder, "--version")
    try:
        return msgspec.json.decode(_run(folder, "probe", "--json"), type=ProbeReport)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SlotFailedError(f"the slot's `agent probe` gave no report ({error})") from error


def _run(folder: Path, *arguments: str) -> str:
    command = [str(folder / "bin" / "python"), "-I", "-m", "agent", *arguments]
    try:
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=TRY_SECONDS,
            cwd=folder,
            env={"PATH": os.defpath, "HOME": "/nonexistent"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SlotFailedError(f"the slot cannot be run ({error})") from error
    if ended.returncode:
        said = " ".join((ended.stderr or ended.stdout).split())[-_SAID_CHARACTERS:]
        raise SlotFailedError(
            f"the slot's `agent {' '.join(arguments)}` ended with {ended.returncode}: {said};"
            " nothing was switched"
        )
    return ended.stdout
