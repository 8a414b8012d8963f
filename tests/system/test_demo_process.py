"""`paceline demo` as people start it: a process that ends well, and one that is ended."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from paceline.demo import model
from paceline.demo.errors import ModelUnavailableError
from tests.system.conftest import brokers, start_broker
from tests.system.place import until

NOBODYS_BROKER = "mqtt://127.0.0.1:1"
"""A user's own setting, which the demo and its agents must not follow."""

SMALL = ("--headless", "--devices", "2", "--window", "1")
"""What is looked at is not how much is done."""
PACELINE = str(Path(sys.executable).with_name("paceline"))


class Demo:
    """A demo in a process of its own, whose temporary files are in ``scratch``."""

    def __init__(self, scratch, *options):
        start_broker(brokers()[0])
        self.scratch = scratch
        self.lines = []
        command = [PACELINE, "demo", "--json", "--broker", brokers()[0], *options]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(scratch), "PACELINE_BROKER_URL": NOBODYS_BROKER},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def streaming(self):
        """Wait until frames flow."""
        until(
            lambda: any(line.startswith("streaming") for line in self.lines),
            lambda: f"the stream; {self.lines}",
            180,
        )

    def left(self):
        """Return the processes that belong to it, found by its scratch folder."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            line = " ".join(process.info["cmdline"] or ())
            if str(self.scratch) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(line)
        return found

    def workers(self):
        """Return the ids of all processes below it."""
        return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]

    def ended(self, seconds=60):
        """Wait for its end; returns its exit code and what it printed."""
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        with self.process.stdout as out:
            printed = out.read()
        self.process.stderr.close()
        return code, printed

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(tmp_path, slow_chain, number):
    """In mid-stream: every process is gone; asked to end, every file too.

    Ctrl-C takes the same way: `test_a_signal_unwinds_the_command`.
    """
    demo = Demo(tmp_path, *SMALL, "--seconds", "60", "--model", str(slow_chain.model))
    demo.streaming()
    below = demo.workers()
    assert len(demo.left()) >= 3

    demo.process.send_signal(number)
    code, printed = demo.ended()

    until(lambda: demo.left() == [], lambda: f"an end of {demo.left()}")
    until(lambda: not any(psutil.pid_exists(pid) for pid in below), "the end of all below")
    if number is signal.SIGKILL:
        assert (code, printed) == (-signal.SIGKILL, "")
    else:
        assert (code, json.loads(printed)["error"]["code"]) == (130, "interrupted")
        assert list(tmp_path.iterdir()) == []


def test_a_killed_agent_is_started_again(tmp_path, slow_chain):
    """The demo keeps its agents alive, and its sum holds."""
    demo = Demo(tmp_path, *SMALL, "--no-page", "--seconds", "10", "--model", str(slow_chain.model))
    demo.streaming()
    agents = [
        process
        for process in psutil.Process(demo.process.pid).children(recursive=True)
        if "agent" in process.cmdline() and "--config" in process.cmdline()
    ]
    agents[0].kill()
    code, printed = demo.ended(120)
    summary = json.loads(printed.splitlines()[-1])

    assert len(agents) == 2
    assert summary["agents_restarted"] == 1
    assert [line for line in demo.lines if line.startswith("page")] == []
    assert summary["frames_lost"] == 0
    assert summary["outputs_equal"] is True
    assert set(summary["errors"]) <= {"worker.lost", "link.lost", "frame.deadline"}
    assert code == 0


@pytest.mark.slow
def test_the_real_demo(tmp_path):
    """Real weights, real pages: equal to the whole model, nothing lost."""
    try:
        model.fetch()
    except ModelUnavailableError as error:
        pytest.skip(str(error))
    demo = Demo(tmp_path, "--headless", "--seconds", "3")
    code, printed = demo.ended(290)
    summary = json.loads(printed.splitlines()[-1])

    assert code == 0, demo.lines
    assert (summary["outputs_equal"], summary["bit_equal"]) == (True, True)
    assert (summary["frames_lost"], summary["frames_errors"], summary["frames_dropped"]) == (
        0,
        0,
        0,
    )
    assert summary["frames_submitted"] == summary["frames_done"] > 0
    assert [stage["stage"] for stage in summary["stages"]] == [0, 1, 2]
    assert list(tmp_path.iterdir()) == []
