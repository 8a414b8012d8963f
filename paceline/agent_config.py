"""An agent's file as the agent itself reads it, in a child; ``PACELINE_*`` is somebody else's."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from wire.errors import CodedError
from wire.reports import ConfigReport

INVALID: Final = 3
SECONDS: Final = 60.0


class AgentConfigError(CodedError):
    """The agent does not take a configuration."""

    code = "agent.config_refused"
    exit_code = INVALID

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said

    def __str__(self) -> str:
        return self.said


def rows(file: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return ``{dotted key: {value, source}}``.

    Raises:
        AgentConfigError: There is none, or something is wrong with it.
    """
    found: dict[str, dict[str, Any]] = msgspec.json.decode(_asked(file, "--show-config"))
    return found


def report(file: Path) -> ConfigReport:
    """Return all that is wrong.

    Raises:
        AgentConfigError: The agent does not answer.
    """
    return msgspec.json.decode(_asked(file, "--check-config"), type=ConfigReport)


def _asked(file: Path, question: str) -> bytes:
    ended = subprocess.run(
        [sys.executable, "-I", "-m", "agent", question, "--config", str(file)],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
        env=_environment(file),
    )
    if not ended.stdout:
        said = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise AgentConfigError(said.removeprefix("error: ") or "the agent gives no answer")
    return ended.stdout


def _environment(file: Path) -> dict[str, str]:
    """Return an environment in which ``credential:NAME`` is what the unit would be given."""
    beside = file.absolute().parent / "credentials"
    given = {"CREDENTIALS_DIRECTORY": str(beside)} if beside.exists() else {}
    others = {n: v for n, v in os.environ.items() if not n.startswith("PACELINE_")}
    return {**given, **others}
