"""One run of frames through a pipeline: a window in flight, answers in order, all accounted."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from numpy.typing import NDArray

from paceline.dataplane import DataPlane, size_bytes
from paceline.errors import FrameFailedError, PipelineUnknownError
from wire import codecs, tensors
from wire import timings as waterfall
from wire.accounting import DEADLINE, Accounting
from wire.errors import FrameError
from wire.frame import Frame, Kind
from wire.messages import Account, Route

Arrays = Mapping[str, NDArray[Any]]

DEFAULT_WINDOW: Final = 8
DEFAULT_DEADLINE_SECONDS: Final = 10.0
LATE_SECONDS: Final = 2.0
"""After the last frame ended, how long to wait for a word on those that ended by deadline."""
_TICK_SECONDS: Final = 0.1
_NOTICES: Final = frozenset({"frame.duplicate"})
"""Errors that say something of a frame but do not end it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one frame."""

    sequence: int
    tensors: Arrays
    """The outputs by name: read-only views of memory that belongs to the answer."""
    error: FrameFailedError | None
    submitted_ns: int
    """Monotonic nanoseconds of this process."""
    sent_ns: int | None
    """When credit let it go to the entry; None: it never left."""
    answered_ns: int
    timings: tuple[waterfall.StageTimes, ...] = ()

    @property
    def latency_seconds(self) -> float:
        """From submitting the frame to having its answer."""
        return (self.answered_ns - self.submitted_ns) / 1e9

    def __getitem__(self, name: str) -> NDArray[Any]:
        if self.error is not None:
            raise self.error
        return self.tensors[name]


@dataclass(slots=True)
class _Open:
    """A frame that has not ended."""

    submitted_ns: int
    deadline_at: float
    sent_ns: int | None = None


class Stream:
    """A run of frames.

    Args:
        plane: The connection to the pipeline.
        route: Returns the pipeline's route as it is now.
        window: Frames in flight or answered and not yet taken, at most.
        deadline_seconds: When a frame without an answer ends as ``frame.deadline``.
    """

    def __init__(
        self,
        plane: DataPlane,
        route: Callable[[], Route],
        *,
        window: int = DEFAULT_WINDOW,
        deadline_seconds: float = DEFAULT_DEADLINE_SECONDS,
    ) -> None:
        self.accounting = Accounting()
        self.last_timings: tuple[waterfall.StageTimes, ...] = ()
        self._plane = plane
        self._route = route
        self._window = window
        self._deadline_seconds = deadline_seconds
        self._waiting: deque[Frame] = deque()
        self._open: dict[int, _Open] = {}
        self._answers: dict[int, Answer] = {}
        self._next_submitted = 0
        self._next_taken = 0
        self.number = plane.register(self)

    @property
    def room(self) -> bool:
        """Whether one more frame may be submitted."""
        return self._next_submitted - self._next_taken < self._window

    @property
    def finished(self) -> bool:
        """Whether every frame submitted was taken."""
        return self._next_submitted == self._next_taken

    def submit(self, inputs: Arrays) -> int:
        """Submit one frame; returns its sequence number. The arrays must not change until it ends.

        Raises:
            TensorSpecError: The arrays are not what the pipeline takes.
        """
        route = self._route()
        tensors.check(f"pipeline {route.pipeline}", route.receives, codecs.describe(inputs))
        wanted = {spec.name: inputs[spec.name] for spec in route.receives}
        frame = Frame(
            Kind.DATA,
            self.number,
            self._next_submitted,
            meta={"client": self._plane.client},
            tensors=codecs.tensors(wanted),
        )
        deadline_at = time.monotonic() + self._deadline_seconds
        with self._plane.changed:
            self.accounting.submit(frame.sequence, deadline_at)
            self._open[frame.sequence] = _Open(time.monotonic_ns(), deadline_at)
        self._next_submitted += 1
        self._waiting.append(frame)
        self.pump()
        return frame.sequence

    def pump(self) -> None:
        """Send what may be sent, and end what is overdue; the submitting thread calls it."""
        try:
            route = self._route()
        except PipelineUnknownError:
            self._end_waiting()
            return
        while self._waiting:
            frame = self._waiting[0]
            size = size_bytes(frame)
            if frame.sequence not in self._open:
                self._waiting.popleft()  # it has ended while it waited
            elif self._plane.never_fits(route, size):
                text = f"{size} bytes are more than the entry takes"
                self._end(frame.sequence, "frame.too_large", text)
            elif self._plane.can_send(route, size):
                self._waiting.popleft()
                self._plane.send(route, self._addressed(frame, route))
            else:
                break
        self._plane.tick(route, waiting=bool(self._waiting))
        self._end_overdue()

    def _end_waiting(self) -> None:
        """The pipeline was undeployed: what has not left never will, the rest may be answered."""
        while self._waiting:
            frame = self._waiting.popleft()
            self._end(frame.sequence, "pipeline.undeployed", "taken off its devices meanwhile")
        self._end_overdue()

    def _end_overdue(self) -> None:
        """End what has no answer in time; why a frame that never left did not is known here."""
        now = time.monotonic()
        for frame in tuple(self._waiting):
            open_ = self._open.get(frame.sequence)
            if open_ is not None and open_.deadline_at <= now:
                text = f"no credit from the entry in {self._deadline_seconds:g} s"
                self._end(frame.sequence, DEADLINE, text)
        with self._plane.changed:
            expired = self.accounting.expire(time.monotonic())
        for sequence in expired:
            text = f"no answer in {self._deadline_seconds:g} s"
            self._answered(sequence, FrameFailedError(sequence, DEADLINE, text))

    def take(self) -> Iterator[Answer]:
        """Yield the answers that are there, in the order of submission."""
        while True:
            with self._plane.changed:
                answer = self._answers.pop(self._next_taken, None)
            if answer is None:
                return
            self._next_taken += 1
            yield answer

    def wait(self, seconds: float) -> None:
        """Wait for something to happen, at most ``seconds``; keeps the flow going."""
        until = time.monotonic() + seconds
        while True:
            self.pump()
            with self._plane.changed:
                left = until - time.monotonic()
                if left <= 0 or self._next_taken in self._answers:
                    return
                self._plane.changed.wait(min(left, _TICK_SECONDS))

    def run(self, inputs: Iterable[Arrays], rate: float | None) -> Iterator[Answer]:
        """Yield the answers to ``inputs`` in order, submitting at most ``rate`` a second."""
        source = iter(inputs)
        began = time.monotonic()
        submitted, exhausted = 0, False
        while not (exhausted and self.finished):
            due = began + submitted / rate if rate else began
            if not exhausted and self.room and time.monotonic() >= due:
                frame = next(source, None)
                if frame is None:
                    exhausted = True
                else:
                    self.submit(frame)
                    submitted += 1
                yield from self.take()
                continue
            pause = 1.0
            if not exhausted and self.room:
                pause = max(0.0, due - time.monotonic())
            self.wait(pause)
            yield from self.take()

    def close(self) -> None:
        """Wait a little for a word on frames that ended by deadline, then take no more."""
        until = time.monotonic() + LATE_SECONDS
        while self.accounting.lost and time.monotonic() < until:
            self.wait(_TICK_SECONDS)
        for sequence in list(self._open):
            self._end(sequence, "client.closed", "the stream was closed")
        self._plane.forget(self.number)

    def account(self, pipeline: str) -> Account:
        """Return the accounting as it is published."""
        with self._plane.changed:
            kept = self.accounting
            return Account(
                pipeline=pipeline,
                client=self._plane.client,
                stream=self.number,
                submitted=kept.submitted,
                results=kept.results,
                errors=dict(kept.errors),
                drops=kept.drops,
                in_flight=kept.in_flight,
                lost=kept.lost,
                sent_unix_ns=time.time_ns(),
                timings=tuple(waterfall.plain(entry) for entry in self.last_timings),
            )

    # what the reader thread brings (paceline.dataplane.Recipient)

    def answered(self, frame: Frame) -> None:
        """Take a result or an error."""
        now = time.monotonic_ns()
        if frame.kind is Kind.ERROR:
            self._take_error(frame)
            return
        try:
            arrays = codecs.arrays(frame)
        except FrameError as error:
            self._end(frame.sequence, error.code, str(error))
            return
        entries = waterfall.entries(dict(frame.meta))
        with self._plane.changed:
            if not self.accounting.result(frame.sequence):
                return
            open_ = self._open.pop(frame.sequence)
            self.last_timings = entries
            self._answers[frame.sequence] = Answer(
                sequence=frame.sequence,
                tensors=arrays,
                error=None,
                submitted_ns=open_.submitted_ns,
                sent_ns=open_.sent_ns,
                answered_ns=now,
                timings=entries,
            )

    def lost(self, sequence: int, code: str) -> None:
        """Take the word that a frame is lost."""
        self._end(sequence, code, "lost on the way to the entry or in it; send it again")

    def _take_error(self, frame: Frame) -> None:
        raw = frame.meta.get("error")
        told: dict[str, Any] = raw if isinstance(raw, dict) else {}
        code = str(told.get("code", "unknown"))[:64]
        if code in _NOTICES:
            return
        device = told.get("device")
        self._end(
            frame.sequence,
            code,
            str(told.get("message", ""))[:500],
            where=str(device)[:48] if device else None,
        )

    def _end(self, sequence: int, code: str, message: str, where: str | None = None) -> None:
        with self._plane.changed:
            ended = self.accounting.error(sequence, code)
        if ended:
            self._answered(sequence, FrameFailedError(sequence, code, message, where))

    def _answered(self, sequence: int, error: FrameFailedError) -> None:
        with self._plane.changed:
            open_ = self._open.pop(sequence)
            self._answers[sequence] = Answer(
                sequence=sequence,
                tensors={},
                error=error,
                submitted_ns=open_.submitted_ns,
                sent_ns=open_.sent_ns,
                answered_ns=time.monotonic_ns(),
            )

    def _addressed(self, frame: Frame, route: Route) -> Frame:
        left_ms = 0
        with self._plane.changed:
            open_ = self._open.get(frame.sequence)
            if open_ is not None:
                open_.sent_ns = time.monotonic_ns()
                left_ms = max(0, int((open_.deadline_at - time.monotonic()) * 1000))
        return replace(frame, generation=route.generation, stage=0, deadline_ms=left_ms)
