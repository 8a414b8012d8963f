"""What is asked of the system: its users, its service manager and its journal."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from paceline.device import places
from paceline.device.errors import StepFailedError

SYSTEM: Final = Path("/")
_PATH: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
_SECONDS: Final = 120.0


def runs_systemd() -> bool:
    """Whether systemd is what starts services here."""
    return Path("/run/systemd/system").is_dir()


def user_ids(root: Path) -> tuple[int, int] | None:
    """Return the ids of the agent's user and group; None: there is no such user."""
    for line in _lines(root / "etc" / "passwd"):
        match line.split(":"):
            case [places.USER, _, uid, gid, *_] if uid.isdecimal() and gid.isdecimal():
                return int(uid), int(gid)
    return None


def memberships(root: Path) -> frozenset[str]:
    """Return the groups that the agent's user was added to."""
    groups = (line.split(":") for line in _lines(root / "etc" / "group"))
    return frozenset(g[0] for g in groups if len(g) == 4 and places.USER in g[3].split(","))


def make_user(root: Path) -> None:
    """Make the agent's user and group."""
    home = str(places.STATE)
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", home]
    run("useradd", *_prefix(root), *options, "--shell", "/usr/sbin/nologin", places.USER)


def join(group: str, root: Path) -> None:
    """Add the agent's user to a group."""
    run("usermod", *_prefix(root), "--append", "--groups", group, places.USER)


def remove_user(root: Path) -> None:
    """Remove the agent's user and group."""
    run("userdel", *_prefix(root), places.USER)


def properties(*names: str) -> Mapping[str, str]:
    """Return properties of the service as systemd knows them."""
    told = ask("systemctl", "show", places.SERVICE, "--property", ",".join(names))
    pairs = (line.partition("=") for line in told.splitlines())
    return {name: value for name, _, value in pairs}


def log_lines(count: int, invocation: str = "") -> tuple[str, ...]:
    """Return the last lines that the service logged, of one start of it or of all."""
    one = [f"_SYSTEMD_INVOCATION_ID={invocation}"] if invocation else ["-u", places.SERVICE]
    return tuple(ask("journalctl", "-q", "-o", "cat", "-n", str(count), *one).splitlines())


def run(program: str, *arguments: str) -> None:
    """Run a program of the system.

    Raises:
        StepFailedError: It is missing, or did not do it.
    """
    ended = _ended(program, arguments)
    if ended.returncode:
        said = " ".join((ended.stderr or ended.stdout).split())
        raise StepFailedError(f"`{' '.join((program, *arguments))}`: {said or 'failed'}")


def ask(program: str, *arguments: str) -> str:
    """Return what a program of the system prints, however it ends; missing: nothing."""
    try:
        return _ended(program, arguments).stdout
    except StepFailedError:
        return ""


def _ended(program: str, arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    found = shutil.which(program, path=_PATH)
    if found is None:
        raise StepFailedError(f"{program} is not installed on this system")
    try:
        return subprocess.run(
            [found, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise StepFailedError(f"{program} did not end within {_SECONDS:.0f} s") from error


def _prefix(root: Path) -> list[str]:
    return [] if root == SYSTEM else ["--prefix", str(root)]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="surrogateescape").split("\n")
    except OSError:
        return []
