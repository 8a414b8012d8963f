"""Sentences on stderr beside a line that counts: neither tears the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from paceline.output import Output, one_line

if TYPE_CHECKING:
    from rich.status import Status


class Aside:
    """What a long run says while it goes.

    Args:
        out: The command's output.
        counting: Whether to show the line that counts, where somebody watches.
    """

    def __init__(self, out: Output, *, counting: bool = True) -> None:
        self._out = out
        self._counting = counting and out.live
        self._status: Status | None = None

    def say(self, text: str) -> None:
        """Print a line; from any thread."""
        status = self._status
        if status is None:
            self._out.note(text)
        else:
            status.console.print(one_line(text))

    def count(self, text: str) -> None:
        """Replace the line that counts."""
        if self._status is not None:
            self._status.update(one_line(text))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Show the line while the body runs."""
        if not self._counting:
            yield
            return
        with self._out.aside.status("") as status:
            self._status = status
            try:
                yield
            finally:
                self._status = None
