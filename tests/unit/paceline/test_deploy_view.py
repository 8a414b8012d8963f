"""What a terminal shows of a deploy."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from fleet.control.deploy import Degraded
from fleet.control.deploy_progress import Progress, StageProgress, Verdict
from paceline.deploy_view import DeployView, clients_place, drawn, fallbacks
from paceline.output import Output
from wire.manifest import File
from wire.messages import Reason, RouteStage

STAGES = (
    StageProgress(0, "pi-1", "00-head", 2048, "serving", Verdict.SERVING),
    StageProgress(
        1, "pi-2", "01-tail", 5 << 20, "failed", Verdict.FAILED, Reason(code="x.y", message="why")
    ),
)
ROUTE = (
    RouteStage(stage=0, device="pi-1", segment="00-head", runtime="tflite_cpu"),
    RouteStage(stage=1, device="pi-2", segment="01-tail", runtime="onnx_openvino"),
)


def segment(file):
    """Return a segment of one file, as far as that goes."""
    return SimpleNamespace(files=(File(name=file, sha256="0" * 64, size_bytes=1),))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        """Return that it is one."""
        return True


def test_each_stage_is_a_line_with_device_size_phase_and_reason():
    """All that one wants to know while waiting."""
    console = Console(file=io.StringIO(), width=100)
    console.print(drawn(Progress("starting", "waiting", STAGES), 2.3))
    head, first, second = console.file.getvalue().splitlines()

    assert "starting: waiting (2.3 s)" in head
    assert first.split() == ["0", "pi-1", "00-head", "2.0", "KiB", "serving"]
    assert second.split() == ["1", "pi-2", "01-tail", "5.0", "MiB", "failed", "why"]


def test_off_a_terminal_nothing_is_shown():
    """A log file gets neither spinner nor table."""
    output = Output(False, io.StringIO(), io.StringIO())
    with DeployView(output) as view:
        view(Progress("starting", "waiting", STAGES))

    assert output.stderr.getvalue() == ""


def test_on_a_terminal_progress_goes_to_stderr():
    """Stdout is for the result alone."""
    output = Output(False, Terminal(), Terminal())
    with DeployView(output) as view:
        view(Progress("starting", "waiting", STAGES))

    assert "pi-1" in output.stderr.getvalue()
    assert output.stdout.getvalue() == ""


def test_what_runs_on_less_than_it_could_is_said():
    """Degraded stages, and what is compiled for an Edge TPU where none was proved."""
    manifest = SimpleNamespace(
        segments=[segment("segment_edgetpu.tflite"), segment("segment.onnx")]
    )
    lost = Degraded(
        stage=1, device="pi-2", reason=Reason(code="accelerator.missing", message="why")
    )
    made = SimpleNamespace(stages=ROUTE, degraded=(lost,))

    degraded, unused = fallbacks(made, manifest, "auto")

    assert degraded == "stage 1 on pi-2 is degraded: accelerator.missing: why"
    assert "00-head is compiled for an Edge TPU, and pi-1 has none" in unused
    assert list(fallbacks(made, manifest, "tflite_cpu")) == [degraded]


@pytest.mark.parametrize(
    ("link", "devices", "told"),
    [
        ("auto", ("a", "b"), ""),
        ("0=direct", ("a", "b"), ""),
        ("auto,entry=direct", ("a", "b"), "on the machine of a: no other"),
        ("direct", ("a", "b"), "a (frames enter), and on that of b (answers leave), which must be"),
        ("direct,entry=auto", ("a", "b"), "on the machine of b: no other"),
        ("direct", ("a", "b", "a"), "on the machine of a: no other"),
        ("direct", ("a",), "on the machine of a: no other"),
    ],
)
def test_who_deploys_is_told_where_clients_have_to_run(link, devices, told):
    """Where the broker may carry neither frames nor answers, or one of them."""
    stages = tuple(
        RouteStage(stage=number, device=device, segment="s", runtime="onnx_cpu")
        for number, device in enumerate(devices)
    )
    text = clients_place(SimpleNamespace(stages=stages, link=link))

    assert told in text
    assert bool(told) is bool(text)
