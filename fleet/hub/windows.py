"""The windows that are open, and the newest that are closed. Pure; ``at`` is unix seconds."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from fleet.hub.rollups import window_end

W = TypeVar("W")


class Windows(Generic[W]):
    """Windows of one kind of thing, by its key.

    Args:
        step_seconds: How long each is.
        keep: How many of each key are remembered, the open one included.
        make: Makes an empty one.
        most_keys: However many keys come, no more are remembered: longest unused go first.
    """

    def __init__(
        self, step_seconds: int, keep: int, make: Callable[[], W], *, most_keys: int = 65536
    ) -> None:
        self.step_seconds = step_seconds
        self._keep = keep
        self._make = make
        self._most_keys = most_keys
        self._windows: OrderedDict[str, OrderedDict[int, W]] = OrderedDict()
        self._changed: dict[tuple[str, int], W] = {}

    def at(self, key: str, at: float) -> W:
        """Return the window of ``key`` that an instant is in; it counts as changed."""
        end = window_end(at, self.step_seconds)
        windows = self._windows.setdefault(key, OrderedDict())
        self._windows.move_to_end(key)
        window = windows.get(end)
        if window is None:
            window = windows[end] = self._make()
            while len(windows) > self._keep:
                windows.popitem(last=False)
            while len(self._windows) > self._most_keys:
                self._windows.popitem(last=False)
        self._changed[key, end] = window
        return window

    def restore(self, key: str, end: int, window: W) -> None:
        """Take up a window that was kept."""
        self._windows.setdefault(key, OrderedDict())[end] = window

    def changed(self, *, closed_by: float | None = None) -> Iterator[tuple[str, int, W]]:
        """Yield (key, end, window) of what changed since it was asked last.

        Args:
            closed_by: Only windows that end by then; the others stay changed.
        """
        due = [place for place in self._changed if closed_by is None or place[1] <= closed_by]
        for key, end in due:
            yield key, end, self._changed.pop((key, end))

    def get(self, key: str) -> dict[int, W]:
        """Return a key's windows by their ends."""
        return dict(self._windows.get(key, {}))
