"""What the clients say, put together: sums over every client that ran, and every answer's time."""

import bisect
import itertools
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Told:
    """Everything one pipeline's clients have said."""

    at: list[float] = field(default_factory=list)
    """When each result came, in monotonic seconds, in order."""
    latency: list[float] = field(default_factory=list)
    """And how long it took."""
    ended: list[dict[str, Any]] = field(default_factory=list)
    """The last words of clients that have ended."""
    newest: dict[str, Any] | None = None
    """What the one that runs said last."""

    @property
    def words(self) -> list[dict[str, Any]]:
        """The newest word of every client."""
        return [*self.ended, *([self.newest] if self.newest else [])]

    def sum(self, name: str) -> int:
        """Return a count, added over every client."""
        return sum(int(word[name]) for word in self.words)

    def checks(self) -> Counter[str]:
        """Return what the clients checked, added."""
        return sum((Counter(word["checks"]) for word in self.words), Counter[str]())

    def errors(self) -> Counter[str]:
        """Return how many frames ended without a result, by reason."""
        return sum((Counter(word["errors"]) for word in self.words), Counter[str]())

    def longest_silence(self, begin: float, end: float) -> float:
        """Return the longest time without a result that touches ``begin`` to ``end``."""
        first = max(0, bisect.bisect_left(self.at, begin) - 1)
        last = bisect.bisect_right(self.at, end)
        times = [*self.at[first:last], end]
        return max((b - a for a, b in itertools.pairwise(times)), default=end - begin)

    def since(self, at: float) -> int:
        """Return how many results came since."""
        return len(self.at) - bisect.bisect_left(self.at, at)


class Book:
    """Reads the logs of the clients as they grow.

    Args:
        files: The log of each pipeline's clients, one after the other.
    """

    def __init__(self, files: dict[str, Path]) -> None:
        self.told = {pipeline: Told() for pipeline in files}
        self._files = files
        self._read = dict.fromkeys(files, 0)

    def read(self) -> None:
        """Read what is new."""
        for pipeline, file in self._files.items():
            if not file.exists():
                continue
            with file.open("rb") as log:
                log.seek(self._read[pipeline])
                data = log.read()
            whole = data.rfind(b"\n") + 1
            self._read[pipeline] += whole
            for line in data[:whole].splitlines():
                if line.startswith(b"{"):
                    self._take(self.told[pipeline], json.loads(line))

    @staticmethod
    def _take(told: Told, word: dict[str, Any]) -> None:
        for at, seconds in sorted(word.pop("news")):
            # a frame's answer that waited for those before it comes a little out of order
            place = bisect.bisect_right(told.at, at)
            told.at.insert(place, at)
            told.latency.insert(place, seconds)
        told.newest = word
        if word["end"]:
            told.ended.append(word)
            told.newest = None
