"""Ctrl-C and SIGTERM while the demo runs: everything that it started is stopped, always."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Turns signals into KeyboardInterrupt, or, while frames flow, into a request to end.

    While ``gentle`` is set, the first Ctrl-C only asks: the stream ends, and the summary follows.
    """

    def __init__(self) -> None:
        self.gentle = False
        self.asked = threading.Event()
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() returned

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if self.gentle and number == signal.SIGINT and not self.asked.is_set():
            self.asked.set()
            return
        raise KeyboardInterrupt
