"""Boots roots until the test inside has ended, and reads its results."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import networks

BOOT_SECONDS = 600
END_SECONDS = 60
PAIR = ("10.77.0.1", "10.77.0.2")
"""Addresses of two machines; the first has the broker."""


def boot(machine: str, roots: Sequence[Path], share: Path, work: Path) -> int:
    """Boot and print every claim; returns how many do not hold (a test without an end is one)."""
    with contextlib.ExitStack() as undo:
        if machine == "uml":
            commands = [_uml(roots[0], work)]
        elif machine == "nspawn":
            commands = [[*_nspawn(roots[0], share), "--private-network"]]
        else:
            spaces = undo.enter_context(networks.joined(PAIR))
            paths = [f"--network-namespace-path={space}" for space in spaces]
            own = zip(roots, paths, strict=True)
            commands = [[*_nspawn(root, share), path] for root, path in own]
        consoles = [work / f"console-{root.name}.log" for root in roots]
        first, *others = (
            undo.enter_context(_booted(command, console))
            for command, console in zip(commands, consoles, strict=True)
        )
        _wait(first, BOOT_SECONDS)
        (share / "ended").touch()
        for other in others:
            _wait(other, END_SECONDS)
    return _told(share / "results.jsonl", consoles[0])


def _wait(child: "subprocess.Popen[bytes]", seconds: float) -> None:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        print(f"a machine did not end within {seconds} s")


@contextlib.contextmanager
def _booted(command: list[str], console: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Yield the process of a machine, in cgroups of its own: two would share those of nspawn."""
    name = f"paceline-{os.getpid()}-{console.stem}"
    folders = [parent / name for parent in _cgroups()]
    with contextlib.ExitStack() as undo:
        for folder in folders:
            folder.mkdir()
            undo.callback(_remove, folder)
        entering = 'for file in $0; do echo $$ > $file/cgroup.procs || exit; done; exec "$@"'
        out = undo.enter_context(console.open("wb"))
        child = subprocess.Popen(
            ["sh", "-c", entering, " ".join(map(str, folders)), *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},  # systemd 257 wants it
        )
        undo.callback(_end, child)
        yield child


def _cgroups() -> list[Path]:
    """Return our own folder in each hierarchy in which systemd-nspawn makes folders."""
    lines = [line.split(":", 2) for line in _text(Path("/proc/self/cgroup")).splitlines()]
    own = {controllers: path.lstrip("/") for _, controllers, path in lines}
    found = []
    for line in _text(Path("/proc/self/mounts")).splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup2" and "" in own:
            found.append(Path(where, own[""]))
        elif kind == "cgroup" and "name=systemd" in options.split(","):
            found.append(Path(where, own["name=systemd"]))
    return found


def _remove(folder: Path) -> None:
    """Remove a cgroup and all in it, once what was killed is gone."""
    ends = time.monotonic() + END_SECONDS
    while folder.exists():
        try:
            for inner in sorted(folder.rglob("*/"), reverse=True):
                inner.rmdir()
            folder.rmdir()
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)


def _told(results: Path, console: Path) -> int:
    lines = [json.loads(line) for line in _text(results).splitlines()]
    for line in lines:
        mark = {True: "PASS", False: "FAIL", None: "    "}[line["holds"]]
        print(f"{mark} {line['claim']}: {line['evidence']}")
    failed = sum(line["holds"] is False for line in lines)
    if not lines or lines[-1]["claim"] != "end":
        print("FAIL the test inside did not come to its end; the console's last lines:")
        print("\n".join(_text(console).splitlines()[-30:]))
        failed += 1
    return failed


def _nspawn(root: Path, share: Path) -> list[str]:
    return [
        *("systemd-nspawn", "--quiet", f"--directory={root}", "--boot", "--register=no"),
        *("--keep-unit", f"--bind={share}:/boot-test", "--console=pipe"),
    ]


def _uml(root: Path, work: Path) -> list[str]:
    image = work / "root.ext4"
    image.unlink(missing_ok=True)
    command = ["mkfs.ext4", "-q", "-d", str(root), str(image), "2G"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    linux = shutil.which("linux.uml") or sys.exit("apt-get install user-mode-linux")
    return [
        *(linux, "mem=2048M", f"ubd0={image}", "root=/dev/ubda", "rw", "quiet", "con=null"),
        *("con0=fd:0,fd:1", f"umid=paceline-{os.getpid()}"),
    ]


def _end(child: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if child.poll() is None:
            os.killpg(child.pid, number)
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                continue


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
