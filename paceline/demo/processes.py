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
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from paceline.demo import tether
from paceline.demo.errors import ChildNotStartedError

STOP_SECONDS: Final = 5.0
_TAIL_BYTES: Final = 8 << 10

_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="child starter")


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
            self._process = _starter.submit(_start, self.command, log, environment).result()
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


def _start(
    command: tuple[str, ...], log: Path, environment: Mapping[str, str] | None
) -> "subprocess.Popen[bytes]":
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
