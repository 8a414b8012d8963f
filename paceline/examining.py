"""This machine examined by a child: ``python -I -m agent doctor``.

The front door imports neither the agent nor numpy for it, so that it can say that they are broken.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from paceline import settings
from paceline.settings import Settings
from wire.errors import CodedError
from wire.reports import DoctorReport

AGENT_CONFIG: Final = Path("/etc/paceline/agent.yaml")
"""Where an installed agent's configuration is."""
COMMAND: Final = (sys.executable, "-I", "-m", "agent", "doctor", "--json")
_ONLY_OURS: Final = (
    settings.CONFIG_VARIABLE,
    "PACELINE_DEBUG",
    "PACELINE_CODEC",
    "PACELINE_LINK",
)
"""Variables that mean nothing to an agent."""


class DoctorFailedError(CodedError):
    """The child gave no report."""

    code = "doctor.failed"

    def __init__(self, status: int, said: str) -> None:
        super().__init__(status, said)
        self.status = status
        self.said = said

    def __str__(self) -> str:
        return (
            f"doctor: it ended with status {self.status} ({self.said}); install paceline again, or"
            " report this"
        )


def examine(
    arguments: Sequence[str], environ: Mapping[str, str], tell: Callable[[str], None]
) -> DoctorReport:
    """Examine this machine; ``tell`` is called with what is being looked at.

    Raises:
        DoctorFailedError: There is no report.
    """
    said = []
    with tempfile.TemporaryFile() as printed:
        with subprocess.Popen(
            [*COMMAND, *arguments],
            env=environ,
            errors="replace",
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            text=True,
        ) as child:
            try:
                assert child.stderr is not None
                for line in child.stderr:
                    said.append(line.strip())
                    tell(f"looking at {line.strip()}")
            except BaseException:
                child.kill()
                raise
        printed.seek(0)
        try:
            return msgspec.json.decode(printed.read(), type=DoctorReport)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise DoctorFailedError(child.returncode, " ".join(said)[-300:]) from None


def environment(environ: Mapping[str, str], values: Mapping[str, object]) -> dict[str, str]:
    """Return the child's environment: ours, with these values by dotted key where they are set."""
    kept = {name: text for name, text in environ.items() if name not in _ONLY_OURS}
    given = {settings.variable(key): str(v) for key, v in values.items() if v is not None}
    return {name: text for name, text in (kept | given).items() if name not in _ONLY_OURS}


def values(loaded: Settings) -> dict[str, object]:
    """Return settings by dotted key: an agent's keys have the same names."""
    return {key: settings.value(loaded, key) for key in settings.KINDS}
