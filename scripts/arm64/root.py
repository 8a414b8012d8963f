"""An arm64 Debian in a folder: made once, kept, entered by chroot."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SUITE: Final = "bookworm"
"""What Raspberry Pi OS is made of."""
PACKAGES: Final = "python3,python3-venv,ca-certificates"
FOLDER: Final = Path.home() / ".cache" / "paceline" / "arm64" / SUITE
PROCESSOR: Final = "cortex-a72"
"""A Raspberry Pi 4's."""
USER: Final = "pi"
HOME: Final = f"/home/{USER}"
_PIP: Final = ("PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_CERTIFICATES: Final = Path("etc/ssl/certs/ca-certificates.crt")


class RootFailedError(Exception):
    """A command for the root, or in it, failed; the message holds its last lines."""


def make(*, fresh: bool = False) -> bool:
    """Make the root unless it is there; returns whether it was made.

    Raises:
        RootFailedError: debootstrap failed.
    """
    if fresh:
        shutil.rmtree(FOLDER, ignore_errors=True)
    if FOLDER.exists():
        return False
    part = FOLDER.with_suffix(".part")
    if not (part / "debootstrap" / "debootstrap").exists():
        shutil.rmtree(part, ignore_errors=True)
        part.parent.mkdir(parents=True, exist_ok=True)
        options = ["--arch=arm64", "--variant=minbase", f"--include={PACKAGES}", "--foreign"]
        run(["debootstrap", *options, SUITE, str(part), *_mirror()])
    run(["chroot", str(part), "/debootstrap/debootstrap", "--second-stage"])
    run(["chroot", str(part), "useradd", "--create-home", USER])
    part.rename(FOLDER)
    return True


def prepare() -> None:
    """Give the root this machine's names and certificates: it may only reach what this one can."""
    for name in ("etc/resolv.conf", "etc/hosts", str(_CERTIFICATES)):
        source = Path("/") / name
        if source.exists():
            shutil.copyfile(source.resolve(), FOLDER / name)


def inside(command: Sequence[str]) -> list[str]:
    """Return the command that runs ``command`` in the root, as an ordinary user.

    It has ``/proc`` and ``/dev`` in a mount namespace of its own, keeps the process id that it is
    started with, and is killed with whoever starts it. ``/sys`` stays empty: it would tell of x86
    processors, and onnxruntime for arm64 crashes when it reads of them (seen with 1.32.0).
    """
    given = {name: os.environ[name] for name in _PIP if name in os.environ}
    given |= {"HOME": HOME, "USER": USER, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    given["QEMU_CPU"] = PROCESSOR
    given["PIP_CERT"] = given["SSL_CERT_FILE"] = f"/{_CERTIFICATES}"
    mounts = (
        'mount -t proc proc "$1/proc";'
        ' mount --rbind /dev "$1/dev"; mount -t tmpfs tmpfs "$1/dev/shm"; root=$1; shift;'
        ' exec chroot "$root" "$@"'
    )
    identity = ["--reuid", USER, "--regid", USER, "--init-groups", "--pdeathsig", "KILL"]
    return [
        *("unshare", "--mount", "sh", "-ec", mounts, "inside", str(FOLDER)),
        *("setpriv", *identity, "env", "-i", f"--chdir={HOME}"),
        *(f"{name}={value}" for name, value in sorted(given.items())),
        *command,
    ]


def run(command: Sequence[str], *, timeout_seconds: float = 1800.0) -> str:
    """Run a command and return what it printed.

    Raises:
        RootFailedError: It failed, or did not end in time.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        text = f"{' '.join(command[-6:])}: no end after {timeout_seconds:g} s"
        raise RootFailedError(text) from error
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise RootFailedError(f"{' '.join(command[-6:])}: status {done.returncode}\n{tail}")
    return done.stdout.strip()


def _mirror() -> list[str]:
    """Return where this machine's own packages come from; empty: debootstrap's default."""
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    lines = sources.read_text().splitlines() if sources.exists() else []
    return [line.split()[1] for line in lines if line.startswith("URIs:")][:1]
