"""The doctor as a whole: groups in order, each alone with its crash and its time."""

import subprocess
import sys
import threading

import msgspec

from agent import doctor_child
from agent.doctor import Group, ok
from agent.examination.subject import Subject
from wire.reports import DoctorReport


def test_a_crash_is_a_finding_and_what_came_before_it_stays():
    """Whatever a driver, a library or a file does."""

    def crashes(_subject):
        yield ok("python.version", "before")
        raise RuntimeError("no such sensor")

    found = doctor_child.run("x", Group("X", crashes), Subject())

    assert [f.id for f in found] == ["python.version", "doctor.check_failed"]
    assert "RuntimeError: no such sensor" in found[1].evidence


def test_a_hang_is_a_finding():
    """A group is left alone when its time is over."""
    ends = threading.Event()

    def hangs(_subject):
        yield ok("python.version", "before")
        ends.wait()

    found = doctor_child.run("x", Group("X", hangs, limit_seconds=1.0), Subject())
    ends.set()

    assert [f.id for f in found] == ["python.version", "doctor.check_failed"]


def test_the_child_prints_one_report_and_says_where_it_is(tmp_path):
    """On stderr, a line for each group; a group of devices is left out where there is no agent."""
    ended = subprocess.run(
        [sys.executable, "-I", "-m", "agent", "doctor", "--json", "--without-agent",
         "--broker", "mqtt://127.0.0.1:9"],
        capture_output=True, check=True, env={"HOME": str(tmp_path)}, timeout=100,
    )  # fmt: skip
    report = msgspec.json.decode(ended.stdout, type=DoctorReport)

    assert [e.title for e in report.examinations] == ended.stderr.decode().splitlines()
    assert report.device is None
    assert {"broker", "python"} <= {e.group for e in report.examinations}
    assert not {"disk", "service"} & {e.group for e in report.examinations}
    assert report.count("problem") == 1  # the broker that is not there
