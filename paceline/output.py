"""What commands print: a result on stdout, for people or as JSON; all else on stderr.

With ``--json`` stdout holds one JSON object on one line and nothing else. Progress is shown only
where stderr is a terminal: a log file gets no spinner.
"""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import msgspec
from rich.console import Console

from wire.errors import CodedError


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command's words go."""

    as_json: bool
    stdout: IO[str]
    stderr: IO[str]

    @property
    def live(self) -> bool:
        """Whether somebody is watching progress."""
        return not self.as_json and self.stderr.isatty()

    @property
    def people(self) -> Console:
        """Stdout for people: tables fit the terminal; a pipe gets wide ones without colour."""
        width = None if self.stdout.isatty() else 160
        return _console(self.stdout, width)

    @property
    def aside(self) -> Console:
        """Stderr: progress and notes."""
        return _console(self.stderr, None)

    def result(self, value: object, show: Callable[[Console], None]) -> None:
        """Print what the command came to: ``value`` as JSON, or what ``show`` prints."""
        if self.as_json:
            self._json(value)
        else:
            show(self.people)

    @contextmanager
    def progress(self) -> Iterator[Callable[[str], None]]:
        """Give what shows a line of progress while somebody watches; it is gone at the end."""
        if not self.live:
            yield lambda _: None
            return
        with self.aside.status("") as status:
            yield lambda text: status.update(one_line(text))

    def note(self, text: str) -> None:
        """Print a line to stderr that a reader should know and a program need not."""
        self.stderr.write(f"{one_line(text)}\n")

    def error(self, code: str, message: str) -> None:
        """Print why the command failed: one line on stderr, with ``--json`` also an object."""
        self.stderr.write(f"error: {one_line(message)}\n")
        if self.as_json:
            self._json({"error": {"code": code, "message": one_line(message)}})

    def coded_error(self, error: CodedError, hint: str = "") -> None:
        """Print a `CodedError`, and where to read more."""
        self.error(error.code, f"{error}{hint}")

    def _json(self, value: object) -> None:
        self.stdout.write(json_line(value) + "\n")
        self.stdout.flush()


def _console(file: IO[str], width: int | None) -> Console:
    """Return a console that takes no text for markup: names and messages are others'."""
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


def json_line(value: object) -> str:
    """Return messages, reports and plain data as one line of JSON; NaN and infinity are null."""
    plain = _finite(msgspec.to_builtins(value, enc_hook=str))
    return json.dumps(plain, ensure_ascii=False, allow_nan=False)


def one_line(text: str) -> str:
    """Return ``text`` without line breaks and control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
