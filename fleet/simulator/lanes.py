"""One hop: links carry frames, receivers grant credit, senders keep what may have to be sent again.

As the product does it (`wire/hop`): a receiver's window is shared by its senders, credit is told
once half a share is free again, and takes the way back. A frame is kept by whoever sent it until it
has arrived one stage further (ADR 17). Simpler than there: the first grant is known from the start,
credit counts frames and no bytes, a grant keeps no link busy, nothing is lost but by a death, and a
death counts for all that was held, which is sent again at once.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from fleet.simulator.chance import Draw
from fleet.simulator.events import Events
from fleet.simulator.trace import Span, Trace
from wire.hop import MAX_LOSSES
from wire.hop.receiver import MAX_UNTOLD

_MAX_DEATHS: Final = MAX_LOSSES["worker.lost"]


class Frame:
    """A frame on its way."""

    __slots__ = ("done", "kept_by", "losses", "lost_by", "sequence", "submitted")

    def __init__(self, sequence: int, submitted: float) -> None:
        self.sequence = sequence
        self.submitted = submitted
        self.losses = 0
        """How often ``lost_by`` lost it."""
        self.lost_by: Sender | None = None
        self.kept_by: Lane | None = None
        """The lane by which it came to where it is."""
        self.done = False
        """It has ended at its client."""

    def settle(self, arrived_by: "Lane | None") -> None:
        """It has arrived one stage further, or has ended: who sent it before may forget it."""
        if self.kept_by is not None:
            self.kept_by.kept.pop(self.sequence, None)
        self.kept_by = arrived_by


class Party(Protocol):
    """Whoever sends or receives."""

    dead: bool

    def arrive(self, frame: Frame, lane: "Lane") -> None:
        """Take a frame."""

    def roomy(self) -> None:
        """Hear that there may be credit now."""


class Wire:
    """A link between two devices.

    Args:
        events: Simulated time.
        trace: Hears when it is busy.
        ends: From which device to which.
        bytes_per_second: What it carries.
        latency: Draws a frame's.
    """

    def __init__(
        self,
        events: Events,
        trace: Trace,
        ends: tuple[str, str],
        bytes_per_second: float,
        latency: Draw,
    ) -> None:
        self._events = events
        self._busy = trace.busy[ends]
        self._steps = trace.steps[ends]
        self._bytes_per_second = bytes_per_second
        self._latency = latency
        self._free_at = 0.0
        self._last_at = 0.0

    def carry(self, frame: Frame, lane: "Lane", size_bytes: int) -> None:
        """Let a frame arrive at the end of a lane, behind all others."""
        began = max(self._events.now, self._free_at)
        self._free_at = began + size_bytes / self._bytes_per_second
        self._last_at = max(self._last_at, self._free_at + self._latency())
        self._busy.append(Span(began, self._free_at, frame.sequence))
        self._steps.append((self._events.now, 1))
        self._steps.append((began, -1))
        self._events.at(self._last_at, lane.arrive, frame)


class Lane:
    """One sender's way to one receiver.

    Args:
        events: Simulated time.
        owner: Who sends.
        receiver: Who receives.
        wire: What carries frames; None: nothing is between them.
        back_seconds: How long a grant takes.
        size_bytes: Of a frame.
    """

    def __init__(
        self,
        events: Events,
        owner: Party,
        receiver: Party,
        wire: Wire | None,
        back_seconds: float,
        size_bytes: int,
    ) -> None:
        self.owner = owner
        self.receiver = receiver
        self.sent = 0
        self.granted: float = math.inf
        """Frames that may be sent in all; infinite: the receiver asks for no credit."""
        self.told = 0
        """Of the frames sent, how many the sender knows to take no more room."""
        self.suspect = False
        self.kept: dict[int, Frame] = {}
        """Frames that would be sent again, oldest first."""
        self._events = events
        self._wire = wire
        self._back_seconds = back_seconds
        self._size_bytes = size_bytes
        self._released = 0
        self._untold = 0
        self._share = 0

    @property
    def outstanding(self) -> int:
        """Frames that the sender knows nothing of yet."""
        return self.sent - self.told

    def send(self, frame: Frame) -> None:
        """Send a frame that there is credit for."""
        self.sent += 1
        self.kept[frame.sequence] = frame
        if self._wire is None:
            self._events.at(self._events.now, self.arrive, frame)
        else:
            self._wire.carry(frame, self, self._size_bytes)

    def arrive(self, frame: Frame) -> None:
        """Hand a frame over, unless one of both is dead by now."""
        if not (self.owner.dead or self.receiver.dead):
            frame.settle(self)
            self.receiver.arrive(frame, self)

    def release(self) -> None:
        """A frame takes no more of the receiver's room."""
        self._released += 1
        self._untold += 1
        if self._untold >= max(1, min(self._share // 2, MAX_UNTOLD)):
            self._tell()

    def share(self, frames: int, *, now: bool = False) -> None:
        """Let the sender have so many frames outstanding, from now on or told with the next."""
        self._share = frames
        if now:
            self.granted = frames
        else:
            self._tell()

    def _tell(self) -> None:
        self._untold = 0
        granted = self._released + self._share
        self._events.at(self._events.now + self._back_seconds, self._hear, granted, self._released)

    def _hear(self, granted: int, released: int) -> None:
        self.granted = max(self.granted, granted)
        self.told = max(self.told, released)
        self.owner.roomy()


class Sender:
    """Lanes to a stage's replicas: a frame goes to the one with the least outstanding.

    Args:
        lanes: To each of them.
        lost: Called with a frame that was lost too often to be sent again.
    """

    def __init__(self, lanes: Sequence[Lane], lost: Callable[[Frame], None]) -> None:
        self.lanes = list(lanes)
        self.again: deque[Frame] = deque()
        """To be sent again, before any other; at most what was outstanding."""
        self._lost = lost

    def send(self, frame: Frame) -> bool:
        """Send a frame; False: there is no credit for it yet."""
        return self.flush() and self._sent(frame)

    def flush(self) -> bool:
        """Send again what has to be; False: some of it has to wait."""
        while self.again:
            if not self.again[0].done and not self._sent(self.again[0]):
                return False
            self.again.popleft()
        return True

    def suspect(self, lanes: Iterable[Lane]) -> None:
        """Give what dead receivers hold to others, if there are others."""
        for lane in lanes:
            if not any(not (other.suspect or other.receiver.dead) for other in self.lanes):
                return
            lane.suspect = True
            for frame in lane.kept.values():
                if frame.done:
                    continue
                frame.losses = frame.losses + 1 if frame.lost_by is self else 1
                frame.lost_by = self
                if frame.losses > _MAX_DEATHS:
                    self._lost(frame)
                else:
                    self.again.append(frame)
            lane.kept = {}

    def _sent(self, frame: Frame) -> bool:
        able = [lane for lane in self.lanes if lane.sent < lane.granted and not lane.suspect]
        if not able:
            return False
        lane = min(able, key=_outstanding) if len(able) > 1 else able[0]
        if len(self.lanes) > 1:  # of those alike, the longest idle
            self.lanes.remove(lane)
            self.lanes.append(lane)
        lane.send(frame)
        return True


def _outstanding(lane: Lane) -> int:
    return lane.outstanding
