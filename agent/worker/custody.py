"""Frames that were sent on and may have to be sent again.

A frame is in at least two hands: whoever sent it keeps it until the receiver tells that it is out
of *its* hands, too. So a neighbour that dies loses nothing, as long as segments keep no state.
"""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec

from wire.frame import Frame
from wire.hop import MAX_LOSSES, Lost, Position
from wire.ids import is_id


class FrameKey(msgspec.Struct, frozen=True):
    """Whose frame it is: enough to tell its client what became of it."""

    client: str
    stream: int
    sequence: int

    @classmethod
    def of(cls, frame: Frame) -> "FrameKey | None":
        """Return a frame's key; None: it names no client."""
        client: Any = frame.meta.get("client")
        return cls(client, frame.stream, frame.sequence) if is_id(client) else None


class Kept(msgspec.Struct, eq=False):
    """One frame on its way to a neighbour."""

    frame: Frame | None
    """Owns its tensors; None: let go for want of room."""
    key: FrameKey | None
    size_bytes: int
    deadline_ns: int | None = None
    """Monotonic nanoseconds."""
    upstream: Position | None = None
    """Where it came from; None: settled there, or made here."""
    sent: bool = False
    lost_as: str | None = None
    """How it was lost last."""
    losses: Counter[str] | None = None
    """How often it was lost, by how; None: never."""
    alone: bool = False
    """Whether it may be what ended a worker: it is sent alone."""
    tells_an_error: bool = False
    """Whether it is an answer of ours, about which nobody is told anything."""

    def is_late(self) -> bool:
        """Whether its deadline is over."""
        return self.deadline_ns is not None and time.monotonic_ns() >= self.deadline_ns

    def lost(self, loss: Lost) -> bool:
        """Note a loss; returns whether it may be sent again."""
        self.losses = self.losses or Counter()
        self.losses[loss.cause] += 1
        self.lost_as = loss.code
        self.alone = loss.alone
        return self.frame is not None and self.losses[loss.cause] <= MAX_LOSSES.get(loss.cause, 0)


class Custody:
    """What is kept, bounded; any thread may call.

    Args:
        max_bytes: Of all frames together; beyond it the tensors of the oldest are let go.
        settle: Called with the position of a frame that our own sender need not keep any longer.
    """

    def __init__(self, max_bytes: int, settle: Callable[[Position], None]) -> None:
        self._max_bytes = max_bytes
        self._settle = settle
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Kept] = OrderedDict()
        self._bytes = 0

    @property
    def held_bytes(self) -> int:
        """What the frames that could be sent again take."""
        return self._bytes

    def keep(self, kept: Kept) -> None:
        """Keep a frame that is now sent."""
        with self._lock:
            self._kept[id(kept)] = kept
            self._bytes += kept.size_bytes
            while self._bytes > self._max_bytes:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= oldest.size_bytes
                oldest.frame = None

    def let_go(self, kept: Kept) -> None:
        """Keep a frame no longer."""
        with self._lock:
            if self._kept.pop(id(kept), None) is not None:
                self._bytes -= kept.size_bytes

    def settle(self, kept: Kept) -> None:
        """Somebody else has the frame, too, or it has ended: who sent it to us may forget it."""
        position, kept.upstream = kept.upstream, None
        if position is not None:
            self._settle(position)
