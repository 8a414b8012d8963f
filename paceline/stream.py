"""One run of frames through a pipeline: a window in flight, answers in order, all accounted."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

import msgspec

from paceline.answers import Answer, Arrays, told_error
from paceline.dataplane import DataPlane
from paceline.errors import PipelineUndeployedError, PipelineUnknownError, SiteClosedError
from paceline.feed import Feed
from paceline.inputs import Inputs
from paceline.ledger import Ledger
from paceline.policies import Policy
from paceline.read_ahead import MAX_PASSED, ReadAhead
from paceline.refusals import Refusals
from wire import codecs
from wire.accounting import DEADLINE, Accounting
from wire.errors import CodedError, FrameError, TensorSpecError, UnknownPluginError
from wire.frame import Frame, Kind, reckoned_bytes
from wire.hop import MAX_LOSSES, Lost, Position
from wire.messages import Account, Route

_DATA: Final = Kind.DATA  # to look up an enum's member costs eight times as much
_ERROR: Final = Kind.ERROR
DEFAULT_WINDOW: Final = 8
DEFAULT_DEADLINE_SECONDS: Final = 10.0
LATE_SECONDS: Final = 2.0
"""After the last frame ended, how long to wait for a word on those that ended by deadline."""
GONE_SECONDS: Final = 2.0
"""How long a route may be gone until the pipeline counts as undeployed. Its devices have released
it before, so what has no answer by then will not have one."""
_TICK_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 0.05
"""How often neighbours are looked after, at most."""
_TOO_LATE: Final = "lost on its way to the entry or in it, and not sent again in time"
_NOTICES: Final = frozenset({"frame.duplicate"})
"""Errors that say something of a frame but do not end it."""


class Stream:
    """A run of frames.

    Args:
        plane: The connection to the pipeline.
        route: Returns the pipeline's route as it is now; raises `PipelineUnknownError` while there
            is none, and `SiteClosedError` once there never will be.
        window: Frames in flight or answered and not yet taken, at most.
        deadline_seconds: When a frame without an answer ends as ``frame.deadline``.
        gone_seconds: How long the route may be gone.
        refusals: What the pipeline refused of earlier streams; None: nothing.
        codec: Writes the tensors of entering frames; None: the route's.
        policy: What becomes of frames that cannot leave. With ``drop_oldest`` one of them waits,
            and is dropped when the next is submitted.
    """

    def __init__(  # noqa: PLR0913 one for each option
        self,
        plane: DataPlane,
        route: Callable[[], Route],
        *,
        window: int = DEFAULT_WINDOW,
        deadline_seconds: float = DEFAULT_DEADLINE_SECONDS,
        gone_seconds: float = GONE_SECONDS,
        refusals: Refusals | None = None,
        codec: str | None = None,
        policy: Policy = Policy.BLOCK,
    ) -> None:
        self.ended_by: CodedError | None = None
        """Why nothing more can come of it; None: something can."""
        self._plane = plane
        self._route = route
        self._window = window
        self._deadline_seconds = deadline_seconds
        self._codec = codec
        self._gone_seconds = gone_seconds
        self._gone_at: float | None = None
        self._present: Route | None = None
        """The route that frames went by last."""
        self._look_at = 0.0
        self._refusals = refusals or Refusals()
        self._newest_wins = policy is Policy.DROP_OLDEST
        self._most_untaken = window + (MAX_PASSED if self._newest_wins else 0)
        self._inputs = Inputs()
        self._meta: dict[str, Any] = {}
        """Of entering frames, but for their position."""
        self._meta_codec: str | None = None
        """The codec that it is for; None: it is still to be made."""
        self._waiting: deque[Frame] = deque()
        self._again: deque[Frame] = deque()
        """Frames that were lost on their way; at most the window."""
        self._alone: deque[Frame] = deque()
        """Those that may be what ended the entry's worker: sent again one after the other."""
        self._ledger = Ledger(plane.changed.lock)
        self._began = time.monotonic()
        self.number = plane.register(self)

    @property
    def accounting(self) -> Accounting:
        """What became of the frames."""
        return self._ledger.accounting

    @property
    def room(self) -> bool:
        """Whether one more frame may be submitted."""
        ledger = self._ledger
        return ledger.next_sequence - ledger.next_taken < self._most_untaken

    @property
    def finished(self) -> bool:
        """Whether every frame submitted was taken."""
        return not self._ledger.untaken

    def submit(self, inputs: Arrays) -> int:
        """Submit one frame; returns its sequence number. The arrays must not change until it ends.

        Raises:
            TensorSpecError: The arrays are not what the pipeline takes.
            PipelineUnknownError: It has no route now.
            SiteClosedError: The site was closed.
            UnknownPluginError: The route's codec is not known here.
        """
        route = self._route()
        codec = self._codec or route.codec
        wanted = self._inputs.arrays(route, inputs)
        sequence = self._ledger.next_sequence
        frame = Frame(
            _DATA,
            self.number,
            sequence,
            meta=self._meta if codec is self._meta_codec else self._named(codec),
            tensors=codecs.tensors(wanted, codec),
        )
        if self._newest_wins:
            kept = [each for each in self._waiting if not self._ledger.drop(each.sequence)]
            self._waiting = deque(kept)
        self._ledger.enter(self._deadline_seconds, inputs)
        self._waiting.append(frame)
        now = time.monotonic()
        if route is self._present and now < self._look_at and now < self._ledger.overdue_from:
            self._send_waiting(route)
        else:
            self.pump()
        return sequence

    def pump(self) -> None:
        """Send what may be sent, and end what is overdue; the submitting thread calls it.

        What is not of this very frame is looked after every so often.
        """
        now = time.monotonic()
        waits = bool(self._waiting or self._again or self._alone)
        if waits or now >= self._look_at:
            route = self._present_route()
            if route is not None and waits:
                self._send_waiting(route)
            if now >= self._look_at:
                self._look_at = now + _LOOK_SECONDS
                waits = bool(self._waiting or self._again or self._alone)
                self._plane.tick(route, waiting=waits)
                if waits and (error := self._plane.not_direct(self._began)) is not None:
                    self._end_all(error, error.code, str(error))
        if now >= self._ledger.overdue_from:
            self._end_overdue(now)

    def take(self) -> Iterator[Answer]:
        """Yield the answers that are there, in the order of submission."""
        ledger = self._ledger
        while ledger.next_taken in ledger.answers:
            yield ledger.take()

    def wait(self, seconds: float, over: Callable[[], bool] | None = None) -> None:
        """Wait for an answer, or until ``over()``, at most ``seconds``; keeps the flow going."""
        now = time.monotonic()
        until = now + seconds
        changed, ledger = self._plane.changed, self._ledger
        while True:
            told = changed.told
            if (
                self._waiting
                or self._again
                or self._alone
                or now >= self._look_at
                or now >= ledger.overdue_from
            ):
                self.pump()
            if now >= until or ledger.next_taken in ledger.answers or (over is not None and over()):
                return
            soon = _LOOK_SECONDS if self._alone else _TICK_SECONDS
            due = min(until, ledger.overdue_from, now + soon)
            changed.wait_beyond(told, due - now)
            now = time.monotonic()

    def run(self, inputs: Iterable[Any], rate: float | None) -> Iterator[Answer]:
        """Yield the answers to ``inputs`` in order, submitting at most ``rate`` a second.

        What ends the stream before its time is raised behind the answers of all that was submitted:
        what ``inputs`` raises, `TensorSpecError`, `PipelineUndeployedError`, `SiteClosedError`.
        """
        source = iter(inputs)
        if self._newest_wins and not isinstance(source, ReadAhead):
            source = ReadAhead(source, newest_wins=True)
        return self._run(Feed(source, rate, time.monotonic()))

    def close(self) -> None:
        """Wait a little for a word on frames that ended by deadline, then take no more."""
        until = time.monotonic() + LATE_SECONDS
        while self.accounting.lost and self.ended_by is None and time.monotonic() < until:
            told = self._plane.changed.told
            self.pump()
            self._plane.changed.wait_beyond(told, _TICK_SECONDS)
        for sequence in self._ledger.unfinished():
            self._ledger.error(sequence, "client.closed", "the stream was closed")
        self._plane.forget(self.number)

    def account(self, pipeline: str) -> Account:
        """Return the accounting as it is published."""
        plane = self._plane
        return self._ledger.account(pipeline, plane.client, self.number, **plane.both_links)

    # what the reader thread brings (paceline.dataplane.Recipient)

    def answered(self, frame: Frame) -> None:
        """Take a result or an error."""
        if frame.kind is _ERROR:
            self._take_error(frame)
            return
        try:
            arrays = codecs.arrays(frame)
        except FrameError as error:
            self._ledger.error(frame.sequence, error.code, str(error))
            return
        taken = self._ledger.result(frame.sequence, arrays, frame.meta)
        if taken and self._refusals.any:
            with self._plane.changed.lock:
                self._refusals.answered()

    def lost(self, loss: Lost) -> None:
        """Take the word that a frame is lost: it is sent again, if it was not lost too often."""
        frame: Frame = loss.key
        losses = self._ledger.lost(frame.sequence, loss.cause)
        if losses > MAX_LOSSES.get(loss.cause, 0):
            text = "lost on the way to the entry or in it, more than once; send it again"
            self._ledger.error(frame.sequence, loss.code, text)
        elif losses:
            (self._alone if loss.alone else self._again).append(frame)

    def _take_error(self, frame: Frame) -> None:
        code, message, device = told_error(frame)
        if code in _NOTICES:
            return
        with self._plane.changed.lock:
            self._refusals.refused(code, frame.generation, self._window, time.monotonic())
        self._ledger.error(frame.sequence, code, message, device)

    # the submitting thread's part

    def _run(self, feed: Feed) -> Iterator[Answer]:
        ledger = self._ledger
        feed.start(self._wake)
        try:
            while not (feed.over and self.finished):
                if self.ended_by is not None and not feed.over:
                    feed.end(self.ended_by)
                if feed.reads_ahead:
                    self._enter_passed(feed)
                paced = feed.paced or self._refusals.any
                if feed.over or not self.room:
                    self.wait(_TICK_SECONDS)
                elif paced and (pause := self._pause_seconds(feed)) > 0:
                    self.wait(min(pause, _TICK_SECONDS))
                elif feed.reads_ahead and feed.idle:
                    self.wait(_TICK_SECONDS, lambda: not feed.idle)
                elif not self._took_turn(feed):
                    self.wait(_TICK_SECONDS)
                while ledger.next_taken in ledger.answers:
                    yield ledger.take()
        finally:
            feed.close()
        if feed.error is not None:
            raise feed.error

    def _named(self, codec: str) -> dict[str, Any]:
        """Return the meta of frames that ``codec`` writes."""
        self._meta = codecs.meta({"client": self._plane.client}, codec)
        self._meta_codec = codec
        return self._meta

    def _enter_passed(self, feed: Feed) -> None:
        """Account for the frames that newer ones took the place of before they were taken."""
        for _ in range(feed.passed_over()):
            sequence = self._ledger.next_sequence
            self._ledger.enter(self._deadline_seconds)
            self._ledger.drop(sequence)

    def _wake(self) -> None:
        self._plane.changed.tell()

    def _pause_seconds(self, feed: Feed) -> float:
        """Return how long to submit nothing, as far as it can be known."""
        now = time.monotonic()
        with self._plane.changed.lock:
            return max(feed.due_seconds(now), self._refusals.pause_seconds(now))

    def _took_turn(self, feed: Feed) -> bool:
        """Submit the next frame, if there is one; False: its turn comes when the route is back."""
        frame = feed.next()
        if feed.over:
            return True
        if feed.reads_ahead:
            self._enter_passed(feed)
        try:
            self.submit(frame)
        except (PipelineUnknownError, SiteClosedError):
            return False
        except (TensorSpecError, UnknownPluginError) as error:
            feed.end(error)
            return True
        feed.submitted()
        return True

    def _present_route(self) -> Route | None:
        """Return the route; None while it is gone. When it stays away, every frame ends."""
        try:
            route = self._route()
        except PipelineUnknownError as error:
            now = time.monotonic()
            self._present = None
            if self._gone_at is None:
                self._gone_at = now
            if now - self._gone_at >= self._gone_seconds:
                undeployed = PipelineUndeployedError(error.pipeline, error.broker)
                self._end_all(undeployed, undeployed.code, "taken off its devices meanwhile")
            return None
        except SiteClosedError as error:
            self._end_all(error, "client.closed", "the site was closed")
            return None
        if route is not self._present:
            self._present, self._gone_at, self._look_at = route, None, 0.0
            with self._plane.changed.lock:
                self._refusals.routed(route.generation)
        return route

    def _end_all(self, error: CodedError, code: str, text: str) -> None:
        """Nothing more can come of it: every frame ends, and no more are submitted."""
        self.ended_by = self.ended_by or error
        self._waiting.clear()
        self._again.clear()
        self._alone.clear()
        for sequence in self._ledger.unfinished():
            self._ledger.error(sequence, code, text)

    def _send_waiting(self, route: Route) -> None:
        addressed = partial(self._addressed, route.generation)
        unended = self._ledger.unended
        while queue := self._again or self._alone or self._waiting:
            frame = queue[0]
            if frame.sequence not in unended:
                queue.popleft()  # it has ended while it waited
            elif (
                self._newest_wins
                and queue is self._waiting
                and self._ledger.held - len(queue) >= self._window
            ):
                break  # so many have left, or were answered and not taken
            elif self._plane.send(route, frame, addressed, alone=queue is self._alone):
                queue.popleft()
            elif self._plane.never_fits(route, size := reckoned_bytes(frame)):
                text = f"{size} bytes are more than the entry takes"
                self._ledger.error(frame.sequence, "frame.too_large", text)
            else:
                break

    def _end_overdue(self, now: float) -> None:
        """End what has no answer in time; why a frame that waits here was not sent is known."""
        why = (
            (self._waiting, f"no credit from the entry in {self._deadline_seconds:g} s"),
            (self._again, _TOO_LATE),
            (self._alone, _TOO_LATE),
        )
        # one instant for all: what is overdue is explained before it expires
        for queue, text in why:
            for frame in tuple(queue):
                if self._ledger.overdue(frame.sequence, now):
                    self._ledger.error(frame.sequence, DEADLINE, text)
        self._ledger.expire(f"no answer in {self._deadline_seconds:g} s", now)

    def _addressed(self, generation: int, frame: Frame, position: Position) -> Frame:
        """Return a frame as it leaves now."""
        return msgspec.structs.replace(
            frame,
            generation=generation,
            stage=0,
            deadline_ms=int(self._ledger.sent(frame.sequence) * 1000),
            meta={**frame.meta, "hop": list(position)},
        )
