"""Workers that take too much, as real processes: each is ended by its limit, and said to be."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.memory_limit import Mechanism
from agent.supervisor import cgroups, memory_limits
from agent.supervisor.cgroups import NotDelegatedError
from agent.supervisor.memory_limits import MemoryLimits, WorkerMemory
from agent.supervisor.worker_process import WorkerProcess

MIB = 1 << 20
LIMIT_BYTES = 96 * MIB
GREEDY = """
import mmap, sys, time
kind = sys.argv[1]
kept = []
for _ in range(24):  # 192 MiB in all
    if kind == "shared":
        kept.append(mmap.mmap(-1, 8 << 20))
        kept[-1].write(bytes(8 << 20))
    else:
        kept.append(bytearray(8 << 20))
    time.sleep(0.02)
time.sleep(60)
"""


def lost(memory, *arguments):
    """Run a greedy process as a worker until it is gone; returns what it was lost by."""
    told = []

    async def run():
        worker = WorkerProcess(
            told.append, start_seconds=60, silence_seconds=60, memory=memory,
            command=(sys.executable, "-I", "-c", GREEDY, *arguments),
        )  # fmt: skip
        await worker.start()
        await asyncio.wait_for(asyncio.shield(worker._watch), 60)
        await worker.end()

    asyncio.run(run())
    return told


@pytest.mark.parametrize("kind", ["private", "shared"])
def test_the_watch_ends_what_holds_too_much(kind):
    """Private and shared memory count; the reason has the limit and what was held."""
    (error,) = lost(WorkerMemory(Mechanism.WATCH, LIMIT_BYTES), kind)
    said = error.message.partition(" of 96 MiB")[0]

    assert error.reason == "worker.out_of_memory"
    assert said.startswith("reached its memory limit (watch): held ")
    assert 96 < int(said.split()[-2]) <= 220


def test_the_watch_sees_what_rlimit_data_does_not_count():
    """Shared memory is no part of the data segment, so both are in force."""
    (error,) = lost(WorkerMemory(Mechanism.RLIMIT_DATA, LIMIT_BYTES), "shared")

    assert error.reason == "worker.out_of_memory"


def test_this_kernel_obeys_rlimit_data():
    """It is tried, not assumed, and this process's own limit is as it was."""
    code = (
        "import resource; from agent.supervisor.memory_limits import rlimit_holds;"
        "before = resource.getrlimit(resource.RLIMIT_DATA); held = rlimit_holds();"
        "after = resource.getrlimit(resource.RLIMIT_DATA); bytearray(1 << 28);"
        "print(held, before == after)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert said.stdout.split() == ["True", "True"]


def test_one_process_of_many_takes_no_cgroup():
    """The tests' own process is not moved: it is not alone, or nothing was delegated."""
    before = Path("/proc/self/cgroup").read_text()

    limits = MemoryLimits()

    assert limits.mechanism in {Mechanism.RLIMIT_DATA, Mechanism.WATCH}
    assert Path("/proc/self/cgroup").read_text() == before


# --- cgroups, on a tree of plain files in the kernel's place (the boot test has the real one)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Return the folder of a delegated cgroup that holds this process alone."""
    folder = tmp_path / "cgroup" / "system.slice" / "a.service"
    folder.mkdir(parents=True)
    (folder / "cgroup.controllers").write_text("memory pids\n")
    (folder / "cgroup.procs").write_text(f"{os.getpid()}\n")
    (tmp_path / "mounts").write_text(
        f"24 1 0:22 / /proc rw - proc proc rw\n29 1 0:26 / {tmp_path}/cgroup rw - cgroup2 c rw\n"
    )
    (tmp_path / "membership").write_text("4:memory:/x\n0::/system.slice/a.service\n")
    monkeypatch.setattr(cgroups, "MOUNTS", tmp_path / "mounts")
    monkeypatch.setattr(cgroups, "MEMBERSHIP", tmp_path / "membership")
    return folder


def read(folder):
    """Return what was written to each file."""
    return {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}


def test_the_supervisor_moves_into_a_leaf(tree):
    """Then the memory controller is shared out; what an earlier run left is removed."""
    (tree / "worker-7").mkdir()

    cgroups.taken()

    assert read(tree / "supervisor") == {"cgroup.procs": str(os.getpid())}
    assert (tree / "cgroup.subtree_control").read_text() == "+memory"
    assert not (tree / "worker-7").exists()


def test_each_worker_has_a_cgroup_of_its_own(tree):
    """With its limit, without swap, killed as a whole."""
    delegated = cgroups.taken()
    limited, free = delegated.room(4096), delegated.room(None)

    limited.admit(17)
    free.admit(18)

    assert read(tree / "worker-1") == {
        "memory.max": "4096", "memory.swap.max": "0", "memory.oom.group": "1",
        "cgroup.procs": "17",
    }  # fmt: skip
    assert read(tree / "worker-2") == {"memory.oom.group": "1", "cgroup.procs": "18"}


def test_what_the_kernel_killed_is_out_of_memory(tree):
    """Its events and its peak are the evidence."""
    memory = memory_limits.WorkerMemory(Mechanism.CGROUP, LIMIT_BYTES, cgroups.taken())
    memory.hold(17)
    events = tree / "worker-1" / "memory.events"
    events.write_text("low 0\noom 0\noom_kill 0\n")
    before = memory.verdict()
    events.write_text("low 0\noom 1\noom_kill 1\n")
    (tree / "worker-1" / "memory.peak").write_text(str(LIMIT_BYTES))

    assert before is None
    assert "(cgroup): held 96 MiB of 96 MiB" in memory.verdict()
    assert not memory.watched


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("cgroup.controllers", "pids\n", "no memory controller"),
        ("cgroup.procs", "1\nOURS\n", "not ours alone"),
        ("supervisor", "a file", "File exists"),
    ],
)
def test_what_is_not_ours_is_left_alone(tree, file, text, reason):
    """No controller, somebody else in it, or no right to: another mechanism is taken."""
    (tree / file).write_text(text.replace("OURS", str(os.getpid())))

    with pytest.raises(NotDelegatedError, match=reason):
        cgroups.taken()

    assert not (tree / "cgroup.subtree_control").exists()
