"""What a terminal shows of a deploy."""

import io

from rich.console import Console

from fleet.control.deploy_progress import Progress, StageProgress, Verdict
from paceline.deploy_view import DeployView, drawn
from paceline.output import Output
from wire.messages import Reason

STAGES = (
    StageProgress(0, "pi-1", "00-head", 2048, "serving", Verdict.SERVING),
    StageProgress(
        1, "pi-2", "01-tail", 5 << 20, "failed", Verdict.FAILED, Reason(code="x.y", message="why")
    ),
)


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
