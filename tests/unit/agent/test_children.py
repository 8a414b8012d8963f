"""The child commands: what they print, write and exit with."""

import subprocess
import sys

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from agent import children
from wire import codecs, plugins, samples
from wire.frame import Frame, Kind
from wire.profile_report import ProfileReport
from wire.reports import BenchReport, FailureReport, ProbeReport, RunReport


def write_samples(path, *many):
    """Write dictionaries of arrays as a file of samples."""
    with path.open("wb") as file:
        file.writelines(samples.encode([codecs.tensors(arrays) for arrays in many]))
    return str(path)


def read_samples(path):
    """Read a file of samples as dictionaries of arrays."""
    found = samples.decode(path.read_bytes())
    return [codecs.arrays(Frame(Kind.DATA, 0, 0, tensors=sample)) for sample in found]


@pytest.fixture
def segment(tmp_path):
    """A segment with outputs double = x + x and square = x * x."""
    floats = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"])
        for name in ("x", "double", "square")
    ]
    nodes = [
        helper.make_node("Add", ["x", "x"], ["double"]),
        helper.make_node("Mul", ["x", "x"], ["square"]),
    ]
    graph = helper.make_graph(nodes, "g", floats[:1], floats[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    folder = tmp_path / "segment"
    folder.mkdir()
    onnx.save(model, folder / "segment.onnx")
    (folder / "weights.bin").write_bytes(b"")
    return folder


@pytest.fixture
def call(capfd):
    """Run a child command here; return its exit code and the line of JSON it printed."""

    def called(*argv):
        code = children.main([str(argument) for argument in argv])
        (line,) = capfd.readouterr().out.splitlines()
        return code, line

    return called


def test_probe_tells_of_every_runtime(call):
    """Each runtime there is a file for is in the report, with proof and version."""
    code, line = call("probe", "--json")
    report = msgspec.json.decode(line, type=ProbeReport)

    assert code == 0
    assert tuple(r.name for r in report.runtimes) == plugins.names("agent.runtimes")
    onnx_cpu = next(r for r in report.runtimes if r.name == "onnx_cpu")
    assert onnx_cpu.works
    assert onnx_cpu.version == onnxruntime.__version__


def test_probe_of_one_runtime_tells_of_one(call):
    """Whoever fears a crash asks for one runtime at a time."""
    _, line = call("probe", "--runtime", "identity")

    assert [r.name for r in msgspec.json.decode(line, type=ProbeReport).runtimes] == ["identity"]


def test_probe_says_why_a_runtime_does_not_work(call, monkeypatch):
    """A missing library is a report with a reason, not a failure of the command."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    code, line = call("probe", "--runtime", "onnx_cpu")
    (report,) = msgspec.json.decode(line, type=ProbeReport).runtimes

    assert code == 0
    assert not report.works
    assert "missing" in report.reason


def test_an_unknown_runtime_is_a_failure_with_a_code(call):
    """The error is printed as JSON and sets the exit code."""
    code, line = call("probe", "--runtime", "abacus")

    assert code == 3
    assert msgspec.json.decode(line, type=FailureReport).error.code == "plugin.unknown"


def test_samples_run_in_one_session(call, segment, tmp_path):
    """Each sample gives its outputs, of its own size, in order."""
    given = [{"x": np.arange(n, dtype=np.float32)} for n in (2, 5)]
    inputs, outputs = write_samples(tmp_path / "in", *given), tmp_path / "out"

    code, line = call("run-segment", "--segment", segment, "--inputs", inputs, "--outputs", outputs)
    report = msgspec.json.decode(line, type=RunReport)

    assert code == 0
    assert len(report.run_seconds) == 2
    assert [(spec.name, spec.shape) for spec in report.outputs] == [
        ("double", (2,)),
        ("square", (2,)),
    ]
    for sample, result in zip(given, read_samples(outputs), strict=True):
        np.testing.assert_array_equal(result["double"], sample["x"] * 2)
        np.testing.assert_array_equal(result["square"], sample["x"] ** 2)


def test_only_the_outputs_asked_for_are_written(call, segment, tmp_path):
    """`--fetch` keeps the file small; the report still describes every output."""
    inputs = write_samples(tmp_path / "in", {"x": np.ones(1, np.float32)})
    outputs = tmp_path / "out"
    (tmp_path / "fetch").write_text('["square"]')

    _, line = call(
        "run-segment", "--segment", segment / "segment.onnx", "--inputs", inputs,
        "--outputs", outputs, "--fetch", tmp_path / "fetch",
    )  # fmt: skip

    assert [list(result) for result in read_samples(outputs)] == [["square"]]
    assert len(msgspec.json.decode(line, type=RunReport).outputs) == 2


def test_bench_tells_the_pace(call, segment, tmp_path):
    """The report's numbers belong together: frames, pace and the quantiles of one run."""
    inputs = write_samples(tmp_path / "in", {"x": np.ones(4, np.float32)})

    code, line = call(
        "bench", "--segment", segment, "--inputs", inputs, "--seconds", "0.02", "--json"
    )
    report = msgspec.json.decode(line, type=BenchReport)

    assert code == 0
    assert report.frames >= 1
    assert report.frames_per_second > 0
    assert 0 < report.run_seconds.p50 <= report.run_seconds.p95


def test_bench_tells_all_of_a_model(segment, tmp_path):
    """The whole with its spread, each operator, memory; in a process of its own."""
    inputs = write_samples(tmp_path / "in", {"x": np.ones(4, np.float32)})
    command = [sys.executable, "-I", "-m", "agent", "bench", "--profile", "--seconds", "0.05"]
    command += ["--segment", str(segment), "--inputs", inputs]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    report = msgspec.json.decode(ended.stdout, type=ProfileReport)

    assert [(one.place, one.kind) for one in report.operators] == [(0, "Add"), (1, "Mul")]
    assert report.run.count >= 3
    assert report.run.p10 <= report.run.p50 <= report.run.p90
    assert report.cpu_seconds > 0
    assert 0 <= report.load.others_busy_ratio <= 1
    assert report.memory.peak_bytes > report.memory.runtime_bytes > 0


def test_bench_without_inputs_takes_the_golden_frame(segment):
    """Which this segment has not."""
    command = [sys.executable, "-I", "-m", "agent", "bench", "--profile"]
    ended = subprocess.run(
        [*command, "--segment", str(segment)], stdout=subprocess.PIPE, check=False
    )

    assert ended.returncode == 3
    assert msgspec.json.decode(ended.stdout, type=FailureReport).error.code == "child.file_unusable"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"--segment": "nowhere"}, "model.refused"),
        ({"--inputs": "nowhere"}, "child.file_unusable"),
        ({"--inputs": "empty"}, "child.file_unusable"),
        ({"--inputs": "junk"}, "frame.malformed"),
        ({"--inputs": "other"}, "runtime.failed"),
        ({"--outputs": "missing/out"}, "child.file_unusable"),
        ({"--fetch": "cube"}, "runtime.open_failed"),
        ({"--fetch": "junk"}, "child.file_unusable"),
        ({"--runtime": "abacus"}, "plugin.unknown"),
    ],
)
def test_what_cannot_be_done_is_a_failure_with_a_code(call, segment, tmp_path, change, expected):
    """Every bad argument ends in one line of JSON with a stable code, and no traceback."""
    inputs = write_samples(tmp_path / "in", {"x": np.ones(1, np.float32)})
    write_samples(tmp_path / "other", {"y": np.ones(1, np.float32)})
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "junk").write_bytes(bytes(64))
    (tmp_path / "cube").write_text('["cube"]')
    files = {"--segment": segment, "--inputs": inputs, "--outputs": tmp_path / "out"}
    named = {k: v if k == "--runtime" else tmp_path / v for k, v in change.items()}

    code, line = call("run-segment", *[part for pair in (files | named).items() for part in pair])

    assert code != 0
    assert msgspec.json.decode(line, type=FailureReport).error.code == expected


def test_usage_errors_exit_with_two(capfd):
    """A missing option or a count of no threads is a usage error."""
    with pytest.raises(SystemExit) as usage:
        children.main(["bench", "--segment", "x", "--inputs", "y", "--threads", "0"])

    assert usage.value.code == 2
    assert "--threads" in capfd.readouterr().err
