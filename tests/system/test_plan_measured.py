"""``paceline plan --measure``: agents measure the segments of the best splits."""

import contextlib
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.system.chains import write_model
from tests.system.place import alive, until

LEAST_NICE = 19
"""Of a process that leaves the processor to all others; there is none below it."""
FLEET = """\
devices: {d1: {}, d2: {}}
links: {d1<>d2: "1000Mbit,0.1ms"}
source: d1
sink: d1
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A quick model, a fleet of two, and a user's cache of its own."""
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "fleet.yaml").write_text(FLEET)
    file = tmp_path / "chain.onnx"
    write_model(file, rows=16, width=128, layers=2)
    return file


def child(place, device):
    """Return the id of the process that measures on a device, once it does, or None."""
    agent = psutil.Process(place.agents[device].pid)
    for one in agent.children():
        with contextlib.suppress(psutil.Error, OSError):
            if "bench" not in one.cmdline() or one.nice() < min(agent.nice() + 1, LEAST_NICE):
                continue
            if "onnxruntime" in Path(f"/proc/{one.pid}/maps").read_text():
                return one.pid
    return None


def test_the_best_splits_are_measured(place, command, model, tmp_path):
    """Splits are judged by what their segments took on their devices, beside their sums.

    What was measured is not measured again. A device that dies meanwhile is named, and what others
    measured is kept. Nothing is measured that was not asked for.
    """
    place.start("d1", "d2")
    until(lambda: place.ear.last("info", "d1") and place.ear.last("info", "d2"))
    serve = "--serve", place.artifacts
    code, _ = command("profile", str(model), "--on", "d1,d2", *serve, "--seconds", "0.2")
    assert code == 0

    def plan(*options, seconds="0.2"):
        options = "--fleet", str(tmp_path / "fleet.yaml"), "--codec", "raw", *options
        options = *options, "--pin", "m0=d1", "--pin", "y=d2"
        return command("plan", str(model), *options, *serve, "--seconds", seconds)

    code, found = plan("--measure", "--explain")
    kept = len(list((tmp_path / "cache" / "profiles").iterdir()))
    code_again, again = plan("--measure")

    assert (code, code_again) == (0, 0)
    finalists = found["finalists"]
    assert len({(one["to"], *one["cuts"]) for one in finalists}) == 3
    assert all(one["sum"] > 0 and one["measured"] > 0 for one in finalists)
    sums = [one["sum"] for one in finalists]
    assert sums == sorted(sums)
    for one in finalists:
        stages = one["stages"]
        assert {stage["origin"] for stage in stages} == {"measured"}
        slowest = max(stage["measured_seconds"] for stage in stages)
        assert one["measured"] >= slowest
        assert slowest != max(stage["sum_seconds"] for stage in stages)
    best = min(one["measured"] for one in finalists)
    assert found["split"]["period_seconds"] == best
    assert any("segments were measured" in words for words in found["words"])
    assert again["finalists"] == finalists
    assert len(list((tmp_path / "cache" / "profiles").iterdir())) == kept

    with ThreadPoolExecutor() as beside:
        planning = beside.submit(plan, "--measure", "--again", seconds="2")
        measuring = until(lambda: child(place, "d2") or planning.done(), "a child that measures")
        assert not planning.done(), planning.result()
        os.kill(measuring, signal.SIGSTOP)
        place.kill("d2")
        code, found = planning.result()

    assert code == 6
    assert found["failures"]["d2"]["code"] == "request.lost"
    assert found["feasible"]
    assert all("d2" in one["missing"][0] for one in found["finalists"])
    until(lambda: not alive(measuring), "the end of its child")

    code, found = plan()
    assert (code, found["finalists"]) == (0, [])
