"""Boots a root until the test inside has ended, and reads its results."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

BOOT_SECONDS = 600


def boot(machine: str, root: Path, share: Path, work: Path) -> int:
    """Boot and print every claim; returns how many do not hold (a test without an end is one)."""
    command = _nspawn(root, share) if machine == "nspawn" else _uml(root, work)
    console = work / f"console-{machine}.log"
    with console.open("wb") as out:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},  # systemd 257 wants it
        )
        try:
            child.wait(BOOT_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            print(f"{machine} did not end within {BOOT_SECONDS} s")
        finally:
            _end(child)
    return _told(share / "results.jsonl", console)


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
        *("--keep-unit", "--private-network", f"--bind={share}:/boot-test", "--console=pipe"),
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
