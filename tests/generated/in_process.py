"""Run child commands in this process: a stand-in for the process boundary alone.

The cloud side starts ``python -I -m agent ...`` for every model that it runs: 0.4 s each, most of
it the start of an interpreter. Here the same command lines go to the agent's own ``main``; files,
reports, exit codes and the reading of them are the real ones. What a real boundary gives beside
(a crash or a hang costs a child alone) is tested where the children are.
"""

import contextlib
import io
import subprocess
import traceback
from collections.abc import Sequence
from typing import Any

from agent import children as agent_children
from fleet import children as fleet_children


class InProcess:
    """Stands where ``fleet.children`` has the module ``subprocess``."""

    DEVNULL = subprocess.DEVNULL
    PIPE = subprocess.PIPE
    TimeoutExpired = subprocess.TimeoutExpired

    @staticmethod
    def run(command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        """Run one command line as a child would, and return what it printed and its exit code."""
        start = fleet_children.COMMAND
        assert tuple(command[: len(start)]) == start
        printed, said = io.StringIO(), io.StringIO()
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
                status = agent_children.main(command[len(start) :])
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        except Exception:  # as the interpreter does
            said.write(traceback.format_exc())
            status = 1
        return subprocess.CompletedProcess(
            command, status, printed.getvalue().encode(), said.getvalue().encode()
        )
