"""One worker: an inbox, one frame computed at a time, then handed on; it waits while it may not.

Where it has a core left, and another frame waits, what was computed leaves while that one is.
"""

from collections import deque

from fleet.simulator.chance import Draw
from fleet.simulator.events import Events
from fleet.simulator.lanes import Frame, Lane, Sender
from fleet.simulator.pipeline import Worker
from fleet.simulator.processor import OwnCore, Processor
from fleet.simulator.trace import Span, Trace


class SimulatedWorker:
    """See `agent/worker/compute.py` and `departures.py`, which do the real thing.

    Args:
        events: Simulated time.
        trace: Hears what it does.
        worker: What it is. It receives by a thread beside: while nothing is computed, that goes on
            while a frame travels.
        occupied: Draws how much of the processor's time a frame takes, sending included where
            nothing goes on beside it.
        processor: Where it does.
        deadline_seconds: After its submission nobody waits for a frame any more.
    """

    def __init__(
        self,
        events: Events,
        trace: Trace,
        worker: Worker,
        occupied: Draw,
        processor: Processor | OwnCore,
        deadline_seconds: float,
    ) -> None:
        self.device = device = worker.device
        self.dead = False
        self.lanes: list[Lane] = []
        """From each of its senders."""
        self.sender = Sender((), _nobody)
        """To the next stage, or the client."""
        self._events = events
        self._busy = trace.busy[device,]
        self._blocked = trace.blocked[device,]
        self._steps = trace.steps[device,]
        self._occupied = occupied
        self._processor = processor
        self._receive_seconds = worker.receive_seconds
        self._owed = 0.0
        """Processor time for receiving that computing has to wait for."""
        self._rests_since = 0.0
        self._deadline_seconds = deadline_seconds
        self._inbox_frames = worker.inbox_frames
        self._inbox: deque[tuple[Frame, Lane]] = deque()  # bounded by what was granted
        self._current: tuple[Frame, Lane] | None = None
        self._began = 0.0
        self._finished: float | None = None
        """When the current frame was computed; None: it is not yet."""
        self._next_waited = False
        """Whether another one waited then."""
        self._sends_beside = worker.sends_beside
        self._send_seconds = worker.send_seconds if worker.sends_beside else 0.0
        self._leaving: tuple[Frame, Lane] | None = None
        """What was computed before and has not left."""
        self._encoded: float | None = None
        """Since when only credit keeps it; None: sending still takes its time."""
        self._aside = False
        """Whether the next one is computed meanwhile."""

    @property
    def waiting(self) -> int:
        """Frames in the inbox."""
        return len(self._inbox)

    def grant(self, *, now: bool = False) -> None:
        """Share the window among the senders that live."""
        alive = [lane for lane in self.lanes if not lane.owner.dead]
        for lane in alive:
            lane.share(max(1, self._inbox_frames // len(alive)), now=now)

    def arrive(self, frame: Frame, lane: Lane) -> None:
        """Take a frame; see `Party`."""
        self._inbox.append((frame, lane))
        self._owed += self._receive_seconds
        self._steps.append((self._events.now, 1))
        if self._current is None and (self._leaving is None or self._aside):
            self._next()

    def roomy(self) -> None:
        """Hand on what waits for credit; see `Party`."""
        if self.dead:
            return
        if self._encoded is not None:
            self._hand_on()
        else:
            self.sender.flush()

    def record(self) -> None:
        """Let the trace know of what is not over yet."""
        now = self._events.now
        if self._current is not None:
            spans, began = (
                (self._busy, self._began)
                if self._finished is None
                else (self._blocked, self._finished)
            )
            spans.append(Span(began, now, self._current[0].sequence))
        elif self._leaving is not None and self._encoded is not None:
            self._blocked.append(Span(self._encoded, now, self._leaving[0].sequence))

    def die(self) -> None:
        """End, with all that is in the inbox and in the works."""
        self.record()
        self._steps.append((self._events.now, -len(self._inbox)))
        self._inbox.clear()
        self.dead = True

    def _next(self) -> None:
        while self._inbox:
            frame, lane = self._inbox.popleft()
            self._steps.append((self._events.now, -1))
            if self._late(frame):
                frame.settle(None)
                lane.release()
                continue
            now = self._events.now
            self._current, self._began = (frame, lane), now
            rested = (now - self._rests_since) * self._processor.share
            work, self._owed = self._occupied() + max(0.0, self._owed - rested), 0.0
            self._events.at(self._processor.done_at(now, work), self._computed)
            return

    def _computed(self) -> None:
        if self.dead or self._current is None:
            return
        now = self._events.now
        self._busy.append(Span(self._began, now, self._current[0].sequence))
        self._finished = self._rests_since = now
        self._next_waited = bool(self._inbox)
        if self._leaving is None:
            self._leave()

    def _leave(self) -> None:
        """Let the current frame begin to leave; the next one is computed meanwhile if it waited."""
        if self._current is None or self._finished is None:
            return
        now = self._events.now
        if now > self._finished:
            self._blocked.append(Span(self._finished, now, self._current[0].sequence))
        self._leaving, self._current, self._finished = self._current, None, None
        self._aside = self._sends_beside and self._next_waited
        if self._aside:
            self._next()
        if self._send_seconds:
            self._events.at(now + self._send_seconds, self._offer)
        else:
            self._offer()

    def _offer(self) -> None:
        """Let go what nothing but credit may keep any longer."""
        if self.dead or self._leaving is None:
            return
        now = self._encoded = self._events.now
        frame, _ = self._leaving
        self._hand_on()
        if self._encoded is not None:  # a next stage that died must not hold it for ever
            late_at = frame.submitted + self._deadline_seconds
            self._events.at(max(now, late_at), self.roomy)

    def _hand_on(self) -> None:
        """Send what is leaving if there is credit, and see to what comes after it."""
        if self._leaving is None or self._encoded is None:
            return
        frame, lane = self._leaving
        if self._late(frame):
            frame.settle(None)
        elif not self.sender.send(frame):
            return
        if not self._aside and self._events.now > self._encoded:
            self._blocked.append(Span(self._encoded, self._events.now, frame.sequence))
        self._leaving = self._encoded = None
        lane.release()
        if self._current is None:
            self._next()
        else:
            self._leave()

    def _late(self, frame: Frame) -> bool:
        return self._events.now >= frame.submitted + self._deadline_seconds


def _nobody(_: Frame) -> None:
    """Hear of a lost frame of a sender that has no lanes."""
