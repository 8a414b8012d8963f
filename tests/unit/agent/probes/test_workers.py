import os

import pytest

from agent.probes import Worker
from agent.probes.workers import WorkersProbe
from tests.fixtures.devices import RASPBERRY_PI_4

STAT = "4711 (python (-I) x) S 1 1 1 0 -1 0 9 0 0 0 {} {} 0 0 20 0 9 0 5 0 0\n"
WORKER = Worker(pid=4711, pipeline="p", generation=7, stage=1)
LABELS = ("p", "7", "1")


def test_share_of_a_worker_between_two_reads(probe, tmp_path):
    """Ticks of user and system time, whatever its name holds; private is what no file backs."""
    ticks, now = os.sysconf("SC_CLK_TCK"), [0.0]
    looking = probe(
        WorkersProbe, RASPBERRY_PI_4, workers=lambda: [WORKER], clock_seconds=lambda: now[0]
    )
    first = {r.name: r.value for r in looking.read()}
    (tmp_path / "proc/4711/stat").write_text(STAT.format(250 + ticks, 50 + 2 * ticks))
    now[0] = 2.0
    second = {r.name: r.value for r in looking.read()}

    assert first == {
        "worker_cpu_seconds": 300 / ticks,
        "worker_resident_bytes": 200 << 20,
        "worker_private_bytes": 100 << 20,
    }
    assert second["worker_cpu_ratio"] == pytest.approx(1.5)


def test_worker_is_told_by_what_it_serves(told):
    """One that was started again goes on in the same series."""
    assert ("worker_cpu_seconds", *LABELS) in told(
        WorkersProbe, RASPBERRY_PI_4, workers=lambda: [WORKER]
    )


def test_worker_that_has_just_ended_is_silence(told):
    """The list is a moment old."""
    gone = Worker(pid=4712, pipeline="p", generation=7, stage=1)

    assert told(WorkersProbe, RASPBERRY_PI_4, workers=lambda: [gone]) == {}


def test_a_real_process_is_read():
    """This one, with the kernel's own files."""
    own = Worker(pid=os.getpid(), pipeline="p", generation=1, stage=0)

    found = {r.name: r.value for r in WorkersProbe(workers=lambda: [own]).read()}

    assert found["worker_cpu_seconds"] > 0
    assert 0 < found["worker_private_bytes"] <= found["worker_resident_bytes"]
