"""Runs in the unit's own sandbox, before the agent: says which writes and maps are allowed."""

import contextlib
import json
import mmap
import os
from collections.abc import Callable
from pathlib import Path

from wire.clock import clock_id


def tried(act: Callable[[], object]) -> str:
    """Return how an attempt ended."""
    try:
        act()
    except OSError as error:
        return os.strerror(error.errno)
    return "done"


def written(path: str) -> str:
    """Write a file and take it away again."""

    def act() -> None:
        Path(path).write_text("x")
        Path(path).unlink()

    return tried(act)


def made(path: str) -> str:
    """Make a folder and take it away again."""

    def act() -> None:
        Path(path).mkdir()
        Path(path).rmdir()

    return tried(act)


cgroup = Path("/proc/self/cgroup").read_text().strip().rpartition("0::")[2]
credentials = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nowhere"))
found = {
    "writes": {
        path: written(path)
        for path in ("/etc/paceline/agent.yaml.x", "/usr/local/x", "/var/lib/x", "/home/x", "/x")
    },
    "state": written("/var/lib/paceline/x"),
    "cgroups": {path: made(f"/sys/fs/cgroup{path}/x") for path in ("/system.slice", cgroup)},
    "clock": clock_id(),
    "credentials": [],
    "executable_memory": tried(
        lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    ),
}
with contextlib.suppress(OSError):
    found["credentials"] = [(p.name, p.read_text().strip()) for p in credentials.iterdir()]
print("PROBE " + json.dumps(found))
