"""What a device pays for having an agent: memory, and wear of its disk."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from paceline.errors import FrameFailedError
from tests.system.place import until

PSS_BYTES = 50 << 20
"""Of a supervisor without TLS."""


def _field(pid, file, name):
    """Return the number behind a name in one of a process's files."""
    lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _disk(place):
    """Return what lies on the disk, down to when it was changed, and what was ever written."""
    state = {}
    for path in sorted([*(place.folder / "d1").rglob("*"), place.folder / "d1.log"]):
        stat = path.stat()
        state[path] = stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
    pids = {place.agents["d1"].pid, *place.workers("d1")}
    return state, {pid: _field(pid, "io", "write_bytes") for pid in pids}


def _await_health(place, messages):
    begun = len(place.ear.all("tele/health", "d1"))
    until(lambda: len(place.ear.all("tele/health", "d1")) >= begun + messages, "telemetry")


def _answers(pipeline, inputs):
    """Whether a frame gets its result: one that was in the lost worker does not."""
    with contextlib.suppress(FrameFailedError):
        return pipeline.run(inputs)
    return None


@pytest.fixture(scope="module")
def idle(shared_place):
    """A device whose agent has nothing to do."""
    shared_place.start("d1", telemetry={"sample_seconds": 0.5, "send_seconds": 0.5})
    until(lambda: shared_place.ear.last("info", "d1"), "the agent")
    _await_health(shared_place, 4)
    return shared_place


def test_idle_agent_writes_nothing(idle):
    """Neither to its state folder nor to its log, while it samples and sends; cards wear out."""
    before = _disk(idle)
    _await_health(idle, 5)

    assert _disk(idle) == before


def test_serving_agent_writes_nothing(idle, whole):
    """What a frame does stays in memory: only changes of assignments are kept on disk."""
    idle.deploy(whole.folder, "d1")
    pipeline = idle.site.pipeline("p")
    pipeline.run(whole.inputs(0))
    _await_health(idle, 2)
    before = _disk(idle)
    answers = list(pipeline.stream(whole.inputs(number) for number in range(50)))
    _await_health(idle, 4)

    assert len(answers) == 50
    assert _disk(idle) == before


def test_lost_worker_costs_no_write_of_state(idle, whole):
    """The way back to serving is the same from every step, so none is kept."""
    idle.deploy(whole.folder, "d1")
    pipeline = idle.site.pipeline("p")
    pipeline.run(whole.inputs(0))
    journal = idle.folder / "d1" / "journal.json"
    before = journal.stat().st_ino, journal.stat().st_mtime_ns
    lost = min(idle.workers("d1"))
    os.kill(lost, signal.SIGKILL)
    until(lambda: _answers(pipeline, whole.inputs(1)), "an answer of another worker")

    until(lambda: lost not in idle.workers("d1"), "an end of the one that was killed")

    assert (journal.stat().st_ino, journal.stat().st_mtime_ns) == before


def test_supervisor_is_small(idle):
    """Also if it shared no page with anyone: its Rss is what its Pss would be then."""
    pid = idle.agents["d1"].pid

    assert _field(pid, "smaps_rollup", "Pss") * 1024 <= PSS_BYTES
    assert _field(pid, "smaps_rollup", "Rss") * 1024 <= PSS_BYTES
