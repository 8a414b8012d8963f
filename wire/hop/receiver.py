"""The receiving side of one lane: positions, duplicates, gaps, and what each sender is granted.

The lane's window is shared by the senders that were heard lately; each is granted at least one
frame. A frame takes room from its arrival until it is *released*, and its sender keeps it until it
is *settled*: out of our hands. What it costs does not depend on how many senders there are.

No I/O, no clock: ``now`` is monotonic seconds. Not for two threads at once.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from wire.errors import LaneFullError
from wire.hop import MAX_GAPS, PROBE_SECONDS, Grant, Position

ACTIVE_SECONDS: Final = 5.0
"""A sender not heard for so long no longer shares the window."""
MAX_SENDERS: Final = 2048
"""Streams remembered on one lane, about 2 KB each."""
MAX_REPEATS: Final = 8
"""How often a frame that is not settled may come again; beyond it, it counts as settled."""
MAX_UNTOLD: Final = 8
"""Frames whose sender is not told that they are finished."""
MAX_KEPT: Final = 1024
"""Frames of one sender that are not settled; beyond it the oldest counts as settled."""


@dataclass(slots=True)
class _Untold:
    """What happened since the last grant."""

    frames: int = 0
    size_bytes: int = 0

    def add(self, size_bytes: int) -> None:
        self.frames += 1
        self.size_bytes += size_bytes


@dataclass(slots=True)
class _Sender:
    """What is known of one sender's stream."""

    sender: str
    since: int
    next_index: int
    next_bytes: int
    heard_at: float
    told_at: float
    held: dict[int, int] = field(default_factory=dict)
    """Frames that take room, by position, and their bytes."""
    held_bytes: int = 0
    kept: OrderedDict[int, int] = field(default_factory=OrderedDict)
    """Frames that their sender keeps for us, oldest first, and their bytes."""
    repeats: dict[int, list[Position]] = field(default_factory=dict)
    """Where frames that are kept for us came again; held and kept for as long."""
    granted_frames: int = 0
    granted_bytes: int = 0
    gaps: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=MAX_GAPS))
    released: _Untold = field(default_factory=_Untold)
    settled: _Untold = field(default_factory=_Untold)


class HopReceiver:
    """All senders of one lane.

    Args:
        receiver: A number drawn at random for this process.
        window_frames: Frames that may be held at once.
        window_bytes: Bytes that may be held at once; also the largest frame that is taken.
        max_senders: Streams remembered. When full, the one silent for longest is forgotten; while
            none is silent, a new one is refused.
        told_every: After how many settled frames a grant is due, and no sooner; None: after half a
            share of frames or bytes released, or ``MAX_UNTOLD`` frames or as many bytes settled.
            The rest is told to the next probe.
    """

    def __init__(
        self,
        receiver: int,
        window_frames: int,
        window_bytes: int,
        max_senders: int = MAX_SENDERS,
        *,
        told_every: int | None = None,
    ) -> None:
        self.receiver = receiver
        self.window_frames = window_frames
        self.window_bytes = window_bytes
        self.frames_missed = 0
        """Frames that never arrived, by all senders."""
        self._max_senders = max_senders
        self._told_every = told_every
        self._closed = False
        self._senders: OrderedDict[int, _Sender] = OrderedDict()
        """The longest silent first."""
        self._active: OrderedDict[int, _Sender] = OrderedDict()
        """Of those, the ones that share the window."""

    @property
    def held_frames(self) -> int:
        """Frames that arrived and are not yet released."""
        return sum(len(sender.held) for sender in self._senders.values())

    @property
    def held_bytes(self) -> int:
        """Their bytes."""
        return sum(sender.held_bytes for sender in self._senders.values())

    def arrived(self, position: Position, size_bytes: int, now: float) -> bool:
        """Take a frame; False: it is a duplicate or older than what came already.

        Raises:
            LaneFullError: It comes from one sender too many.
        """
        sender = self._heard(position, now)
        if position.frames_before < sender.next_index:
            return False
        if position.frames_before > sender.next_index:
            self._miss(sender, position)
        sender.next_index = position.frames_before + 1
        sender.next_bytes = position.bytes_before + size_bytes
        sender.held[position.frames_before] = size_bytes
        sender.held_bytes += size_bytes
        sender.kept[position.frames_before] = size_bytes
        if len(sender.kept) > MAX_KEPT:
            self._settle(sender, next(iter(sender.kept)))
        return True

    def passed(self, position: Position, size_bytes: int, now: float) -> tuple[bool, Grant | None]:
        """Take a frame that is out of our hands at once: `arrived`, `released`, `settled` in one.

        Returns:
            Whether it is new, and the grant to send when enough has gathered or it is overdue.

        Raises:
            LaneFullError: It comes from one sender too many.
        """
        sender = self._heard(position, now)
        new = position.frames_before >= sender.next_index
        if new:
            if position.frames_before > sender.next_index:
                self._miss(sender, position)
            sender.next_index = position.frames_before + 1
            sender.next_bytes = position.bytes_before + size_bytes
            sender.settled.add(size_bytes)
        due = sender.settled.frames >= (self._told_every or MAX_UNTOLD)
        due = due or now - sender.told_at >= PROBE_SECONDS
        return new, self.grant(position.hop, now) if due else None

    def came_again(self, first: Position, position: Position) -> bool:
        """Note that a frame is here already: it is settled when it is at its ``first`` position.

        False: that one is settled; the new one must be released.
        """
        sender = self._senders.get(first.hop)
        if sender is None or first.frames_before not in sender.kept:
            return False
        repeats = sender.repeats.setdefault(first.frames_before, [])
        if len(repeats) >= MAX_REPEATS:
            return False
        repeats.append(position)
        return True

    def probed(self, position: Position, now: float) -> Grant:
        """Take a probe; returns the grant to answer with.

        Raises:
            LaneFullError: It comes from one sender too many.
        """
        sender = self._heard(position, now)
        if position.frames_before > sender.next_index:
            self._miss(sender, position)
            sender.next_index = position.frames_before
            sender.next_bytes = max(sender.next_bytes, position.bytes_before)
        return self.grant(position.hop, now)

    def overdue(self, position: Position, now: float) -> Grant | None:
        """Return a grant when a sender that was heard now was told nothing for as long as a probe.

        On a slow link its probes wait behind its frames: it must not take that for silence.
        """
        told_at = self._senders[position.hop].told_at
        return self.grant(position.hop, now) if now - told_at >= PROBE_SECONDS else None

    def released(self, position: Position, now: float, *, settled: bool = True) -> Grant | None:
        """A frame takes no more room; returns the grant to send when enough has gathered.

        Args:
            position: The frame's.
            now: Monotonic seconds.
            settled: It is out of our hands, too; else ``settled`` must be called.
        """
        sender = self._senders.get(position.hop)
        if sender is None:
            return None
        size_bytes = sender.held.pop(position.frames_before, 0)
        sender.held_bytes -= size_bytes
        released = sender.released
        released.frames += 1
        released.size_bytes += size_bytes
        if settled:
            self._settle(sender, position.frames_before)
        due = self._told_every is None and self._room_enough(sender.released, now)
        return self.grant(position.hop, now) if due else None

    def settled(self, position: Position, now: float) -> Grant | None:
        """A frame is out of our hands; returns the grant to send when enough has gathered."""
        sender = self._senders.get(position.hop)
        if sender is None or position.frames_before not in sender.kept:
            return None
        sender.settled.add(sender.kept[position.frames_before])
        self._settle(sender, position.frames_before)
        due = sender.settled.frames >= (self._told_every or MAX_UNTOLD)
        if self._told_every is None:
            due = due or self._bytes_enough(sender.settled, now)
        return self.grant(position.hop, now) if due else None

    def close(self, now: float) -> list[tuple[str, Grant]]:
        """Grant nothing any more; returns what to tell each sender. What comes is still taken."""
        self._closed = True
        return [(sender.sender, self.grant(hop, now)) for hop, sender in self._senders.items()]

    def farewell(self, now: float) -> list[tuple[str, Grant]]:
        """Count what was released as out of our hands; returns the last grant of each sender."""
        for sender in self._senders.values():
            for index in [index for index in sender.kept if index not in sender.held]:
                self._settle(sender, index)
        return self.close(now)

    def grant(self, hop: int, now: float) -> Grant:
        """Return what the sender of stream ``hop`` may send now."""
        sender = self._senders[hop]
        frames, size_bytes = self._share(now)
        sender.granted_frames = max(
            sender.granted_frames, sender.next_index - len(sender.held) + frames
        )
        sender.granted_bytes = max(
            sender.granted_bytes, sender.next_bytes - sender.held_bytes + size_bytes
        )
        sender.released, sender.settled = _Untold(), _Untold()
        sender.told_at = now
        return Grant(
            hop=hop,
            receiver=self.receiver,
            since=sender.since,
            arrived=sender.next_index,
            done=next(iter(sender.kept), sender.next_index),
            ran=next(iter(sender.held), sender.next_index),
            frames=0 if self._closed else sender.granted_frames,
            size_bytes=sender.granted_bytes,
            largest_bytes=self.window_bytes,
            gaps=tuple(sender.gaps),
        )

    def _heard(self, position: Position, now: float) -> _Sender:
        hop = position.hop
        sender = self._senders.get(hop) or self._welcome(position, now)
        sender.heard_at = now
        self._senders.move_to_end(hop)
        self._active[hop] = sender
        self._active.move_to_end(hop)
        return sender

    def _welcome(self, position: Position, now: float) -> _Sender:
        """Return what is known of a sender that is new."""
        if len(self._senders) >= self._max_senders:
            self._count_active(now)
            oldest = next(iter(self._senders))
            if oldest in self._active:
                raise LaneFullError(self._max_senders)
            gone = self._senders.pop(oldest)
            for index in list(gone.repeats):
                self._settle(gone, index)
        _, index, size_bytes, name = position
        sender = _Sender(name, index, index, size_bytes, heard_at=now, told_at=now)
        self._senders[position.hop] = sender
        return sender

    def _settle(self, sender: _Sender, index: int) -> None:
        """Keep a frame no longer, wherever it came."""
        sender.kept.pop(index, None)
        for repeat in sender.repeats.pop(index, ()):
            other = self._senders.get(repeat.hop)
            if other is not None:
                other.held_bytes -= other.held.pop(repeat.frames_before, 0)
                other.kept.pop(repeat.frames_before, None)

    def _miss(self, sender: _Sender, position: Position) -> None:
        sender.gaps.append((sender.next_index, position.frames_before))
        self.frames_missed += position.frames_before - sender.next_index

    def _room_enough(self, released: _Untold, now: float) -> bool:
        """Whether a sender would soon wait for it: half its share, in frames or in bytes."""
        frames, size_bytes = self._share(now)
        half = max(1, min(frames // 2, MAX_UNTOLD))
        return released.frames >= half or 2 * released.size_bytes >= size_bytes

    def _bytes_enough(self, untold: _Untold, now: float) -> bool:
        return 2 * untold.size_bytes >= self._share(now)[1]

    def _share(self, now: float) -> tuple[int, int]:
        if len(self._senders) == 1:
            return self.window_frames, self.window_bytes
        active = self._count_active(now)
        return max(1, self.window_frames // active), self.window_bytes // active

    def _count_active(self, now: float) -> int:
        """Return how many senders were heard lately, at least one."""
        active = self._active
        while active and now - next(iter(active.values())).heard_at >= ACTIVE_SECONDS:
            active.popitem(last=False)
        return max(1, len(active))
