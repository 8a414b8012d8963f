"""Models in children: what comes back, and how a child's end becomes an error."""

import resource
import sys
import tempfile

import numpy as np
import pytest
from onnx import numpy_helper

from fleet import children
from fleet.children import RunOptions
from fleet.errors import ChildFailedError, ChildTimeoutError, NoScratchError
from tests.unit.fleet.conftest import F, model, node, value
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
        (r"import os; os.write(1, b'{\"runtime\": \"\xd3t\"}')", "it printed no report"),
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


@pytest.fixture
def little_room():
    """Files may not grow above 64 KiB, as on a full disk: for us and for children."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("rows", [1 << 15, 1], ids=["inputs", "outputs"])
def test_no_room_for_samples_or_outputs_is_no_fault_of_the_model(saved, little_room, rows):
    """It is said as what it is, with the folder and the way out, whoever could not write."""
    path = saved(
        model(
            [node("Expand", ["x", "shape"], ["y"], "e")],
            [value("x", F, ["N", 1])],
            [value("y", F, None)],
            [numpy_helper.from_array(np.array([1, 1 << 15]), "shape")],
        )
    )

    with pytest.raises(NoScratchError, match=r"File too large.*TMPDIR"):
        children.run(path, [{"x": np.ones((rows, 1), np.float32)}], RunOptions())


def test_a_killed_child_leaves_no_temporary_files(child, tmp_path, monkeypatch):
    """Whatever it made goes with the folder that its caller made for it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    child("import os, tempfile; tempfile.mkdtemp(); os.kill(os.getpid(), 9)")

    with pytest.raises(ChildFailedError, match="signal 9"):
        children.run(tmp_path / "model.onnx", [], RunOptions())

    assert list(tmp_path.iterdir()) == []
