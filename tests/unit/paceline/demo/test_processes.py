"""Children that are stopped in order and cannot outlive us."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from paceline.demo import tether
from paceline.demo.errors import ChildNotStartedError
from paceline.demo.processes import Child

SLEEP = ("sleep", "600")
PATIENCE_SECONDS = 60.0
"""Nothing takes so long unless it is broken."""


@pytest.fixture
def started(tmp_path):
    """Start children that are stopped after the test."""
    children = []

    def start(*command, **options):
        children.append(Child(command, log=tmp_path / "log", **options))
        return children[-1]

    yield start
    for child in children:
        child.kill()


def until(holds, seconds=PATIENCE_SECONDS):
    """Wait until something holds; return whether it does."""
    ends = time.monotonic() + seconds
    while not holds() and time.monotonic() < ends:
        time.sleep(0.01)
    return holds()


def gone(pid):
    """Whether a process has ended, or waits only for its parent to notice."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def python(program):
    """Return the command that runs a Python program."""
    return (sys.executable, "-c", program)


def test_a_child_runs_the_program_itself(started):
    """Its pid is the program's: nothing stands between us and it."""
    child = started(*SLEEP)

    assert until(lambda: psutil.Process(child.pid).name() == "sleep")
    assert child.poll() is None


def test_a_child_is_in_a_session_of_its_own(started):
    """Ctrl-C in the terminal reaches only us."""
    child = started(*SLEEP)

    assert os.getsid(child.pid) == child.pid != os.getsid(0)


def test_stopping_asks_first(started):
    """SIGTERM lets it tidy up; stopping again tells the same."""
    child = started(
        *python(
            "import signal, sys, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
            "print('ready', flush=True)\n"
            "time.sleep(60)"
        )
    )
    assert until(lambda: child.log_tail() == "ready")

    assert child.stop() == 7
    assert child.stop() == 7


def test_who_does_not_listen_is_killed_with_its_group(started):
    """SIGKILL after the time given, for its own children too."""
    child = started(
        *python(
            "import signal, subprocess, time\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "print(subprocess.Popen(['sleep', '60']).pid, flush=True)\n"
            "time.sleep(60)"
        )
    )
    assert until(child.log_tail)

    assert child.stop(timeout_seconds=0.05) == -signal.SIGKILL
    assert until(lambda: gone(int(child.log_tail())))


def test_how_it_ended_is_told(started):
    """By poll and wait alike."""
    child = started(*python("raise SystemExit(5)"))

    assert child.wait(PATIENCE_SECONDS) == 5
    assert child.poll() == 5


def test_waiting_is_bounded(started):
    """None: it still runs."""
    assert started(*SLEEP).wait(0.01) is None


def test_the_log_is_appended_and_its_tail_told(started):
    """Output and errors, also of the one before in the same log."""
    started(*python("print('first', flush=True)")).wait(PATIENCE_SECONDS)
    child = started(*python("import sys; print('a\\nb', file=sys.stderr)"))
    child.wait(PATIENCE_SECONDS)

    assert child.log_tail() == "first\na\nb"
    assert child.log_tail(2) == "a\nb"


def test_a_long_log_is_not_read_whole(started):
    """Only its end, and not in the middle of memory."""
    child = started(*python("print('x' * 100_000); print('end')"))
    child.wait(PATIENCE_SECONDS)

    assert child.log_tail(1) == "end"
    assert len(child.log_tail(100)) < 10_000


def test_a_removed_log_has_no_tail(started):
    """The folder may have gone first."""
    child = started(*SLEEP)
    child.log.unlink()

    assert child.log_tail() == ""


def test_a_program_that_does_not_exist_says_so_in_its_log(started):
    """Status 127, as a shell gives it."""
    child = started("no-such-program")

    assert child.wait(PATIENCE_SECONDS) == tether.NOT_FOUND
    assert child.log_tail() == "tether: no-such-program: No such file or directory"


def test_a_log_that_cannot_be_written_is_an_error(tmp_path):
    """Nothing is started."""
    with pytest.raises(ChildNotStartedError, match="sleep: cannot be started"):
        Child(SLEEP, log=tmp_path / "gone" / "log")


def test_the_environment_can_be_given(started):
    """All of it, or ours."""
    child = started(*python("import os; print(os.environ.get('HUE'))"), environment={"HUE": "red"})
    child.wait(PATIENCE_SECONDS)

    assert child.log_tail() == "red"


def test_a_child_outlives_the_thread_that_asked_for_it(started):
    """The kernel watches threads, so ours start in one that stays."""
    children = []
    thread = threading.Thread(target=lambda: children.append(started(*SLEEP)))
    thread.start()
    thread.join()

    assert until(lambda: psutil.Process(children[0].pid).name() == "sleep")
    assert children[0].wait(0.1) is None


def test_a_child_is_killed_with_us(tmp_path):
    """Kill -9 of the parent takes the child along."""
    program = (
        "import pathlib, sys, time\n"
        "from paceline.demo.processes import Child\n"
        f"child = Child(['sleep', '60'], log=pathlib.Path({str(tmp_path / 'log')!r}))\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(python(program), stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        assert until(lambda: psutil.Process(pid).name() == "sleep")

        parent.kill()

        assert until(lambda: gone(pid))


def test_an_orphan_does_not_begin():
    """The parent may end before the kernel was asked to watch it."""
    ran = subprocess.run(
        [sys.executable, "-I", "-S", tether.__file__, "1", "echo", "began"],
        capture_output=True,
        check=False,
    )

    assert (ran.returncode, ran.stdout) == (tether.NOT_TETHERED, b"")
