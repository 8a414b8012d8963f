"""Models in children: what comes back, and how a child's end becomes an error."""

import sys

import numpy as np
import pytest

from fleet import children
from fleet.children import RunOptions
from fleet.errors import ChildFailedError, ChildTimeoutError
from wire.reports import ProbeReport, RunReport


def test_samples_go_in_and_outputs_come_back(saved, run_whole):
    """Each sample gives its outputs; both come through files that are gone afterwards."""
    path = saved("many_outputs")
    feeds, expected = run_whole(path)

    ran = children.run(path, [feeds, feeds], RunOptions(threads=1))

    assert len(ran.outputs) == len(ran.report.run_seconds) == 2
    for outputs in ran.outputs:
        assert list(outputs) == list(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(outputs[name], array)


def test_only_what_is_wanted_comes_back(saved, run_whole):
    """Some outputs, or none but the report."""
    path = saved("many_outputs")
    feeds, _ = run_whole(path)

    some = children.run(path, [feeds], RunOptions(), fetch=["places"])
    none = children.run(path, [feeds], RunOptions(), fetch=[])

    assert [list(outputs) for outputs in some.outputs] == [["places"]]
    assert none.outputs == ()
    assert [spec.name for spec in none.report.outputs] == ["y", "places"]


def test_the_probe_reports(saved):
    """Any of the child commands can be called, with the type of its report."""
    report = children.call("probe", ["--runtime", "identity"], ProbeReport, limit_seconds=60)

    assert [runtime.works for runtime in report.runtimes] == [True]


def test_a_childs_own_error_keeps_its_code(saved):
    """What the child says is in the error."""
    with pytest.raises(ChildFailedError, match=r"inputs .* are missing") as failed:
        children.run(saved("chain"), [{}], RunOptions())

    assert failed.value.child_code == "runtime.failed"


@pytest.fixture
def child(monkeypatch):
    """Run a program of ours in the child's place."""

    def stand_in(program):
        monkeypatch.setattr(children, "COMMAND", (sys.executable, "-I", "-c", program))

    return stand_in


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import os; os.kill(os.getpid(), 9)", "killed by signal 9"),
        ("import sys; sys.exit('out of luck')", "exit status 1; out of luck"),
        ("print('{}')", "it printed no report"),
        ("pass", "it printed no report"),
    ],
)
def test_a_crash_is_an_error_with_a_reason(child, program, reason):
    """A signal, a traceback or silence: the caller learns which."""
    child(program)

    with pytest.raises(ChildFailedError, match=reason) as failed:
        children.call("run-segment", [], RunReport, limit_seconds=60)

    assert failed.value.child_code == children.CRASHED


def test_a_child_that_never_ends_is_killed(child):
    """After its limit, with an error that may be retried."""
    child("import time; time.sleep(60)")

    with pytest.raises(ChildTimeoutError, match=r"no end after 0\.2 s") as failed:
        children.call("bench", [], RunReport, limit_seconds=0.2)

    assert failed.value.retryable
