"""The client: submits frames within its window, takes answers in order, keeps the account."""

import math
from collections import deque
from collections.abc import Iterator
from typing import Final

from fleet.simulator import chance
from fleet.simulator.events import Events
from fleet.simulator.lanes import Frame, Lane, Sender
from fleet.simulator.pipeline import Load
from fleet.simulator.trace import Ending, Outcome, Resource, Trace

IN_FLIGHT: Final[Resource] = ()
"""What stands for the client's frames in a trace."""
_MOST_WAITING: Final = 1024
"""Frames that are taken beside the window, to be dropped; see ADR 20."""


class Client:
    """See `paceline/stream.py`, which does the real thing.

    Args:
        events: Simulated time.
        trace: Hears how frames end.
        load: What it does.
    """

    def __init__(self, events: Events, trace: Trace, load: Load) -> None:
        self.dead = False
        self.sender = Sender((), self.lost)
        """To the first stage."""
        self.submitted = 0
        self.open: dict[int, Frame] = {}
        """In flight, oldest first."""
        self.waiting: deque[Frame] = deque()
        """Submitted and not sent, oldest first; at most the window."""
        self._events = events
        self._endings = trace.endings
        self._steps = trace.steps[IN_FLIGHT]
        self._load = load
        self._drops = load.policy == "drop_oldest"
        self._room = load.window + (_MOST_WAITING if self._drops else 0)
        self._arrivals = _arrivals(load)
        self._next_at = next(self._arrivals)
        self._taken = 0
        """Answers taken, in order."""
        self._wakes_at = -1.0
        self._expires = False

    def arrive(self, frame: Frame, lane: Lane) -> None:
        """Take a result; see `Party`."""
        lane.told += 1
        frame.settle(None)
        lane.kept.pop(frame.sequence, None)
        self._end(frame, "result")
        self.go_on()

    def roomy(self) -> None:
        """Send what waits for credit; see `Party`."""
        self.go_on()

    def lost(self, frame: Frame) -> None:
        """Hear that a frame was lost too often."""
        self._end(frame, "error", "worker.lost")
        self.go_on()

    def go_on(self) -> None:
        """Submit what has come and has room, and send what may leave."""
        now = self._events.now
        while self.submitted - self._taken < self._room and self._next_at <= now:
            self._submit(now)
            self._next_at = next(self._arrivals)
        if self._next_at > now and self._wakes_at < self._next_at:
            self._wakes_at = self._next_at
            self._events.at(self._next_at, self.go_on)
        self._send()

    def _submit(self, now: float) -> None:
        if self._drops:
            while self.waiting:
                self._end(self.waiting.popleft(), "drop", "frame.dropped")
        frame = Frame(self.submitted, now)
        self.submitted += 1
        self.open[frame.sequence] = frame
        self._steps.append((now, 1))
        self.waiting.append(frame)
        if not self._expires:
            self._expires = True
            self._events.at(now + self._load.deadline_seconds, self._expire)
        self._send()

    def _send(self) -> None:
        self.sender.flush()
        while self.waiting:
            under_way = self.submitted - self._taken - len(self.waiting)
            if under_way >= self._load.window or not self.sender.send(self.waiting[0]):
                return
            self.waiting.popleft()

    def _end(self, frame: Frame, outcome: Outcome, code: str = "") -> None:
        """End a frame once, and take the answers whose turn it is."""
        if frame.done:
            return
        frame.done = True
        now = self._events.now
        del self.open[frame.sequence]
        self._steps.append((now, -1))
        self._endings.append(Ending(frame.sequence, frame.submitted, now, outcome, code))
        self._taken = next(iter(self.open), self.submitted)

    def _expire(self) -> None:
        """End what is too late; all have the same time, so the oldest come first."""
        now, deadline = self._events.now, self._load.deadline_seconds
        late = []
        for frame in self.open.values():
            if frame.submitted + deadline > now:
                break
            late.append(frame)
        for frame in late:
            self._end(frame, "error", "frame.deadline")
        while self.waiting and self.waiting[0].done:
            self.waiting.popleft()
        oldest = next(iter(self.open.values()), None)
        self._expires = oldest is not None
        if oldest is not None:
            self._events.at(oldest.submitted + deadline, self._expire)
        if late:
            self.go_on()


def _arrivals(load: Load) -> Iterator[float]:
    """Yield when each frame comes."""
    if load.rate is None:
        while True:
            yield -math.inf
    if load.arrivals == "regular":
        number = 0
        while True:
            yield number / load.rate
            number += 1
    gap, now = chance.gaps(load.rate, load.seed, "arrivals"), 0.0
    while True:
        now += gap()
        yield now
