"""One line of JSON for each frame on standard output."""

import contextlib
import os
from dataclasses import dataclass
from typing import IO, ClassVar, Self

from paceline.output import json_line
from paceline.sink_errors import FULL, SinkClosedError, SinkError, SinkFullError
from paceline.sinks import Entry, SinkOptions


@dataclass(frozen=True, slots=True)
class StdoutSink:
    """Lines of JSON; each is flushed, so that a pipe has it at once."""

    stdout: IO[str]
    unsent: ClassVar[int] = 0

    @classmethod
    def open(cls, where: str, options: SinkOptions) -> Self:  # noqa: ARG003
        """Return the sink; see ``Sink``."""
        return cls(options.stdout)

    def write(self, entry: Entry) -> None:
        """Print a line; see ``Sink``."""
        try:
            self.stdout.write(json_line(entry.record) + "\n")
            self.stdout.flush()
        except BrokenPipeError as error:
            self._let_go()
            problem, advice = "whoever read the answers is gone", "let it read to the end"
            raise SinkClosedError("-", problem, advice) from error
        except OSError as error:
            self._let_go()
            kind = SinkFullError if error.errno in FULL else SinkError
            problem = f"cannot be written ({error.strerror})"
            raise kind("-", problem, "send standard output elsewhere") from error

    def close(self) -> None:
        """Do nothing: every line was flushed."""

    def _let_go(self) -> None:
        """Let what is still buffered go nowhere, so that Python does not stumble at its end."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stdout.fileno())
            os.close(nowhere)


PLUGIN = StdoutSink
