"""Child processes that cannot outlive us: for the demo's broker, agents and artifact server.

A child is in a session of its own, so Ctrl-C in the terminal reaches only us, and we end it in
order. If we are killed, the kernel kills it (``tether``). The kernel watches the *thread* that
started a child, so all children are started by one thread that lives as long as we do.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeAlias

from paceline.demo import tether
from paceline.demo.errors import ChildNotStartedError

STOP_SECONDS: Final = 5.0
_TAIL_BYTES: Final = 8 << 10

_Process: TypeAlias = "subprocess.Popen[bytes]"
_Job: TypeAlias = "Callable[[], _Process]"


class _Starter:
    """One thread that starts every child: a daemon, so it lives exactly as long as we do."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[tuple[_Job, Future[_Process]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def run(self, job: _Job) -> _Process:
        """Run ``job`` in the thread; return what it returns, or raise what it raises."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="starter", daemon=True)
                self._thread.start()
        started: Future[_Process] = Future()
        self._jobs.put((job, started))
        return started.result()

    def _serve(self) -> None:
        while True:
            job, started = self._jobs.get()
            try:
                started.set_result(job())
            except Exception as error:  # noqa: BLE001 it belongs to whoever asked
                started.set_exception(error)


_starter = _Starter()


class Child:
    """A running program.

    Args:
        command: Program and arguments; no secrets, since everyone can list them.
        log: File that its output and errors are appended to.
        environment: The child's whole environment; None: ours.

    Raises:
        ChildNotStartedError: No process could be made, or the log cannot be written. (A program
            that does not exist ends with status 127 and says so in its log.)
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.command = tuple(command)
        self.log = log
        try:
            self._process = _starter.run(partial(_start, self.command, log, environment))
        except OSError as error:
            raise ChildNotStartedError(self.command[0], error.strerror or str(error)) from error

    @property
    def pid(self) -> int:
        """The program's process id; also that of its process group and session."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return how it ended (negative: by that signal), or None while it runs."""
        return self._process.poll()

    def wait(self, timeout_seconds: float) -> int | None:
        """Wait until it ends; return how, or None when it still runs after ``timeout_seconds``."""
        try:
            return self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> int:
        """Ask it to end, kill its process group if it does not; return how it ended.

        Stopping twice is harmless.
        """
        if self._process.poll() is None:
            self._process.terminate()
            if self.wait(timeout_seconds) is None:
                self.kill()
        return self._process.wait()

    def kill(self) -> None:
        """Kill it and its process group at once."""
        if self._process.poll() is None:  # not waited for yet, so the number is still its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def log_tail(self, lines: int = 10) -> str:
        """Return the last lines that it wrote; empty when there are none."""
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL_BYTES))
                said = file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(said.splitlines()[-lines:])


def _start(command: tuple[str, ...], log: Path, environment: Mapping[str, str] | None) -> _Process:
    wrapped = [sys.executable, "-I", "-S", str(Path(tether.__file__)), str(os.getpid()), *command]
    with log.open("ab") as output:
        return subprocess.Popen(
            wrapped,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
