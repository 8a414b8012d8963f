"""Ctrl-C and SIGTERM while frames flow: first a request to end, then an interruption."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Turns signals into KeyboardInterrupt, or, while frames flow, into a request to end.

    While ``gentle`` is set, the first Ctrl-C only asks: the stream ends, and the summary follows.

    Args:
        asking: The signals that ask; others interrupt at once.
    """

    def __init__(self, asking: tuple[int, ...] = (signal.SIGINT,)) -> None:
        self.gentle = False
        self._asking = asking
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
        if self.gentle and number in self._asking and not self.asked.is_set():
            self.asked.set()
            return
        raise KeyboardInterrupt
