"""A client that feeds one pipeline until it is told to end, as a process of its own.

Prints one line of JSON each second: the sums of its accounts, what it checked, and its newest
answers. ``python -m scripts.soaking.feeder URL PIPELINE RATE EXPECTED``; SIGTERM lets the frames in
flight end, prints the last line and ends.
"""

import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

import paceline
from fleet.compare import compare
from paceline.errors import PipelineUndeployedError, PipelineUnknownError
from paceline.pipeline import Pipeline
from scripts.rig.subject import Arrays, inputs
from scripts.soaking.plan import BATCH
from wire.allocator import share_one_heap
from wire.errors import CodedError
from wire.manifest import Tolerance
from wire.messages import Account

WINDOW: Final = 8
SAY_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.05
MAX_PACKET_BYTES: Final = 8 << 20


class Feeder:
    """Feeds, checks every answer, and counts."""

    def __init__(self, expected: Path) -> None:
        with np.load(expected) as file:
            self._expected = list(file["answers"])
            self._tolerance = Tolerance(absolute=float(file["absolute"]))
        self._inputs = [inputs(number, BATCH) for number in range(len(self._expected))]
        self._ending = threading.Event()
        self._quiet = threading.Event()
        self._pipeline: Pipeline | None = None
        self._streaming = False
        self._done: list[Account] = []
        self._before = _Sums()
        self._news: list[tuple[float, float]] = []
        self._guard = threading.Lock()
        self.checks = Counter[str]()
        self.largest_difference = 0.0

    def end(self, *_: Any) -> None:
        """Feed no more; what is in flight ends."""
        self._ending.set()

    def run(self, url: str, name: str, rate: float) -> None:
        """Feed until told to end."""
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        try:
            while not self._ending.is_set():
                try:
                    with paceline.connect(url, max_packet_bytes=MAX_PACKET_BYTES) as site:
                        while not self._ending.is_set():
                            self._feed(site.pipeline(name, timeout_seconds=60.0), rate)
                except (PipelineUndeployedError, PipelineUnknownError):
                    self.checks["waits for the pipeline"] += 1
                except CodedError as error:
                    sys.stderr.write(f"{error.code}: {error}\n")
                    self._ending.wait(0.5)
        finally:
            self._quiet.set()
            watcher.join()
        self._say(end=True)

    def _feed(self, pipeline: Pipeline, rate: float) -> None:
        """Run one stream and add its account to the sums of those before."""
        expected = 0
        self._pipeline = pipeline
        self._streaming = True
        try:
            for answer in pipeline.stream(self._frames(), window=WINDOW, rate=rate):
                if answer.sequence != expected:
                    self.checks["out of order"] += 1
                expected = answer.sequence + 1
                self.checks["answers"] += 1
                if answer.error is None:
                    self._check(answer)
        finally:
            account = pipeline.account
            with self._guard:
                self._streaming = False
                if account is not None:
                    self._before = self._before.plus(account)
                    self.checks["streams"] += 1
                    self.checks["ended otherwise than once"] += abs(account.submitted - expected)

    def _frames(self) -> Iterator[Arrays]:
        number = 0
        while not self._ending.is_set():
            yield self._inputs[number % len(self._inputs)]
            number += 1

    def _check(self, answer: Any) -> None:
        (output,) = answer.tensors.values()
        right = self._expected[answer.sequence % len(self._expected)]
        difference = compare(output, right, self._tolerance)
        self.checks["wrong"] += not difference.within
        self.largest_difference = max(self.largest_difference, difference.max_abs_diff)
        with self._guard:
            self._news.append((answer.answered_ns / 1e9, answer.latency_seconds))

    def _watch(self) -> None:
        """Check the sum all the while, and say how it stands."""
        said_at = 0.0
        while not self._quiet.wait(LOOK_SECONDS):
            with self._guard:
                account = self._pipeline.account if self._pipeline and self._streaming else None
            if account is not None:
                self.checks["sums checked"] += 1
                self.checks["sums wrong"] += (
                    account.submitted != _ended(account) + account.in_flight
                )
            if time.monotonic() - said_at >= SAY_SECONDS:
                said_at = time.monotonic()
                self._say()

    def _say(self, *, end: bool = False) -> None:
        with self._guard:
            news, self._news = self._news, []
            account = self._pipeline.account if self._pipeline and self._streaming else None
            sums = self._before if account is None else self._before.plus(account)
        line = {
            "at": time.monotonic(),
            "end": end,
            **sums.plain(),
            "checks": dict(self.checks),
            "largest_difference": self.largest_difference,
            "news": [(round(at, 4), round(seconds, 4)) for at, seconds in news],
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


class _Sums:
    """Accounts of several streams, added."""

    def __init__(self) -> None:
        self.counts = Counter[str]()
        self.errors = Counter[str]()

    def plus(self, account: Account) -> "_Sums":
        """Return these and one more."""
        made = _Sums()
        made.errors = self.errors + Counter(account.errors)
        made.counts = self.counts + Counter(
            submitted=account.submitted,
            results=account.results,
            drops=account.drops,
            in_flight=account.in_flight,
            lost=account.lost,
        )
        return made

    def plain(self) -> dict[str, Any]:
        """Return them as JSON takes them."""
        names = ("submitted", "results", "drops", "in_flight", "lost")
        return {**{name: self.counts[name] for name in names}, "errors": dict(self.errors)}


def _ended(account: Account) -> int:
    return account.results + sum(account.errors.values()) + account.drops


def main() -> int:
    """Feed as the command line says."""
    share_one_heap()  # as `paceline run` does
    url, name, rate, expected = sys.argv[1:]
    feeder = Feeder(Path(expected))
    signal.signal(signal.SIGTERM, feeder.end)
    feeder.run(url, name, float(rate))
    return 0


if __name__ == "__main__":
    sys.exit(main())
