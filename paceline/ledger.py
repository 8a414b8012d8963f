"""Every frame of one stream: entered once, ended once, its answer taken in order.

The submitting thread enters, ends and takes; the link's reader thread ends. Both are guarded by one
lock, and the account's sum holds whenever it is not held.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from paceline.answers import Answer, Arrays
from paceline.errors import FrameFailedError
from paceline.policies import DROPPED
from wire import timings as waterfall
from wire.accounting import DEADLINE, Accounting
from wire.clock import clock_id
from wire.histogram import Histogram
from wire.messages import Account, ClientTimes

_CLOCK: Final = clock_id()
_NOTHING: Final[Arrays] = {}
_NO_META: Final[Mapping[str, Any]] = {}


class _Open(msgspec.Struct, eq=False):
    """A frame that has not ended."""

    submitted_ns: int
    deadline_at: float
    inputs: Arrays
    sent_ns: int | None = None
    losses: Counter[str] | None = None


class Ledger:
    """What became of each frame.

    Args:
        lock: Guards it; the owner tells whoever waits for answers.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self.accounting = Accounting()
        self.next_sequence = 0
        """What the next frame entered is called."""
        self.next_taken = 0
        """Whose answer is taken next."""
        self.overdue_from = math.inf
        """No frame that has not ended is overdue before; monotonic seconds."""
        self._lock = lock
        self._latency = Histogram()
        self._last: tuple[int, int, int | None, int] | None = None
        """Of the last result: sequence; submitted, sent, answered in nanoseconds."""
        self._last_meta: Mapping[str, Any] = {}
        self.unended: dict[int, _Open] = {}
        """Frames that have not ended."""
        self.answers: dict[int, Answer] = {}
        """Those that were not taken."""
        self._drops_taken = 0

    @property
    def untaken(self) -> int:
        """Frames entered whose answers were not taken."""
        return self.next_sequence - self.next_taken

    @property
    def held(self) -> int:
        """Of those, the ones that were not dropped."""
        dropped = self.accounting.drops - self._drops_taken
        return self.next_sequence - self.next_taken - dropped

    def unfinished(self) -> list[int]:
        """Return the frames that have not ended."""
        return list(self.unended)

    def enter(self, deadline_seconds: float, inputs: Arrays = _NOTHING) -> None:
        """Enter the frame ``next_sequence``; ``inputs`` come back with its answer."""
        with self._lock:
            now_ns = time.monotonic_ns()
            deadline_at = now_ns / 1e9 + deadline_seconds
            self.accounting.submit(self.next_sequence, deadline_at)
            if not self.unended:  # all have as long, so the first entered is the first overdue
                self.overdue_from = deadline_at
            self.unended[self.next_sequence] = _Open(now_ns, deadline_at, inputs)
            self.next_sequence += 1

    def sent(self, sequence: int) -> float:
        """A frame goes to the entry now; returns the seconds to its deadline."""
        with self._lock:
            open_ = self.unended.get(sequence)
            if open_ is None:
                return 0.0
            open_.sent_ns = time.monotonic_ns()
            return max(0.0, open_.deadline_at - open_.sent_ns / 1e9)

    def lost(self, sequence: int, code: str) -> int:
        """Note that a frame was lost; returns how often so by now, 0 if it has ended."""
        with self._lock:
            open_ = self.unended.get(sequence)
            if open_ is None:
                self.accounting.explained(sequence)
                return 0
            open_.losses = open_.losses or Counter()
            open_.losses[code] += 1
            return open_.losses[code]

    def overdue(self, sequence: int, now: float) -> bool:
        """Whether a frame has not ended and its deadline has passed; monotonic seconds."""
        open_ = self.unended.get(sequence)
        return open_ is not None and open_.deadline_at <= now

    def result(self, sequence: int, arrays: Arrays, meta: Mapping[str, Any]) -> bool:
        """End a frame with its result, whose ``meta`` came with it; False: it had ended."""
        with self._lock:
            if not self.accounting.result(sequence):
                return False
            answer = self._answer(sequence, arrays, None, meta)
            self._latency.add(answer.answered_ns - answer.submitted_ns)
            self._last = sequence, answer.submitted_ns, answer.sent_ns, answer.answered_ns
            self._last_meta = meta
            return True

    def error(self, sequence: int, code: str, message: str, where: str | None = None) -> None:
        """End a frame without a result, unless it had ended."""
        with self._lock:
            if self.accounting.error(sequence, code):
                self._answer(sequence, {}, FrameFailedError(sequence, code, message, where))

    def drop(self, sequence: int) -> bool:
        """End a frame that a newer one takes the place of; False: it has left, or ended."""
        with self._lock:
            open_ = self.unended.get(sequence)
            if open_ is None or open_.sent_ns is not None:
                return False
            open_.inputs = _NOTHING
            self.accounting.drop(sequence)
            text = "a newer one came before it could leave"
            self._answer(sequence, {}, FrameFailedError(sequence, DROPPED, text))
            return True

    def expire(self, message: str, now: float) -> None:
        """End every frame whose deadline has passed; monotonic seconds."""
        with self._lock:
            for sequence in self.accounting.expire(now):
                self._answer(sequence, {}, FrameFailedError(sequence, DEADLINE, message))
            first = next(iter(self.unended.values()), None)
            self.overdue_from = math.inf if first is None else first.deadline_at

    def take(self) -> Answer:
        """Return the answer ``next_taken``, which is in ``answers``."""
        answer = self.answers.pop(self.next_taken)
        self.next_taken += 1
        if answer.error is not None:
            self._drops_taken += answer.dropped
        return answer

    def account(self, pipeline: str, client: str, stream: int, **values: Any) -> Account:
        """Return the accounting as it is published; ``values`` are of the message, and not ours."""
        with self._lock:
            kept = self.accounting
            return Account(
                pipeline=pipeline,
                client=client,
                stream=stream,
                submitted=kept.submitted,
                results=kept.results,
                errors=dict(kept.errors),
                drops=kept.drops,
                in_flight=kept.in_flight,
                lost=kept.lost,
                sent_unix_ns=time.time_ns(),
                timings=tuple(
                    waterfall.plain(entry) for entry in waterfall.entries(self._last_meta)
                ),
                frame=_client_times(*self._last) if self._last else None,
                latency=self._latency.to_message(),
                **values,
            )

    def _answer(
        self,
        sequence: int,
        arrays: Arrays,
        error: FrameFailedError | None,
        meta: Mapping[str, Any] = _NO_META,
    ) -> Answer:
        open_ = self.unended.pop(sequence)
        answer = self.answers[sequence] = Answer(
            sequence=sequence,
            tensors=arrays,
            inputs=open_.inputs,
            error=error,
            submitted_ns=open_.submitted_ns,
            sent_ns=open_.sent_ns,
            answered_ns=time.monotonic_ns(),
            meta=meta,
        )
        return answer


def _client_times(
    sequence: int, submitted_ns: int, sent_ns: int | None, answered_ns: int
) -> ClientTimes:
    return ClientTimes(
        sequence=sequence,
        clock=_CLOCK,
        submitted=submitted_ns,
        sent=sent_ns if sent_ns is not None else submitted_ns,
        answered=answered_ns,
    )
