"""The sending side of one hop: how much may be sent, what is unacknowledged, what was lost.

No I/O, no clock: ``now`` is monotonic seconds. Not for two threads at once; the caller locks.
"""

from collections import OrderedDict, deque
from typing import Any, Final

import msgspec

from wire.errors import CreditError
from wire.hop import (
    ALONE_SECONDS,
    PROBE_SECONDS,
    SILENCE_SECONDS,
    SUSPECT_PROBES,
    Grant,
    Heard,
    Lost,
    Position,
    new_position,
)

LEAST_PACE_BYTES: Final = 128 << 10
"""A link is taken to carry so much in the time between two probes, until it has carried more."""
PATIENCE: Final = 2
"""What is under way may take so many times as long as what arrived last."""


class _Sent(msgspec.Struct, eq=False):
    """A frame that is not known to be done."""

    key: Any
    end_bytes: int
    """Bytes sent, up to its end."""
    arrived: bool = False
    alone: bool = False


class HopSender:
    """One sender's stream on one lane.

    Args:
        hop: A number drawn at random for this stream.
        sender: The device or client id that hears the grants.
        credited: False on the way to a client, whose own window bounds what comes back: then
            everything may be sent, and grants only tell what arrived.
    """

    def __init__(self, hop: int, sender: str, *, credited: bool = True) -> None:
        self.hop = hop
        self.sender = sender
        self.sent_frames = 0
        self.sent_bytes = 0
        self.credited = credited
        self._outstanding: OrderedDict[int, _Sent] = OrderedDict()
        self._grant: Grant | None = None
        self._retired: deque[int] = deque(maxlen=4)
        self._probed_at: float | None = None
        self._unanswered = 0
        self.suspect = False
        """Whether the neighbour left several probes unanswered that must have come.

        A probe waits behind the frames that are under way, as long as their link takes for them.
        """
        self._silent_since: float | None = None
        self._unanswered_before = 0
        """Probes that were unanswered when the silence began to count."""
        self._arrived_bytes = 0
        self._pace_bytes: float = LEAST_PACE_BYTES
        self._alone: int | None = None
        """The frame that was sent alone, until it has been run or lost: nothing is sent behind."""
        self._asked_at = float("-inf")
        """When it was last asked for."""

    @property
    def outstanding(self) -> int:
        """Frames sent and not yet known to be done."""
        return len(self._outstanding)

    @property
    def all_arrived(self) -> bool:
        """Whether nothing is on its way: then the hop may change its link and keep its order."""
        return self._grant is not None and self._grant.arrived >= self.sent_frames

    @property
    def awaited(self) -> bool:
        """Whether the neighbour may still have to tell that it has what it was sent last."""
        newest = next(reversed(self._outstanding.values()), None)
        return newest is not None and not newest.arrived

    @property
    def known(self) -> bool:
        """Whether the neighbour was ever heard."""
        return self._grant is not None

    def covers(self, size_bytes: int) -> bool:
        """Whether one more frame of ``size_bytes`` may be sent now.

        A single frame needs no byte credit while nothing else is unacknowledged: a window
        shared by many senders would else stop large frames for ever.
        """
        if not self.credited:
            return True
        if self._alone is not None:
            return False
        grant = self._grant
        if grant is None or self.sent_frames >= grant.frames or size_bytes > grant.largest_bytes:
            return False
        return self.sent_bytes + size_bytes <= grant.size_bytes or not self._outstanding

    def covers_alone(self, size_bytes: int) -> bool:
        """Whether one more frame may be sent now, to a neighbour that has run all the others."""
        grant = self._grant
        if grant is None or self.suspect or grant.ran < self.sent_frames:
            return False
        return self.covers(size_bytes)

    def never_fits(self, size_bytes: int) -> bool:
        """Whether the neighbour takes no frame of this size, however long one waits."""
        return self.credited and self._grant is not None and size_bytes > self._grant.largest_bytes

    def sent(self, key: Any, size_bytes: int) -> Position:
        """Register a frame that is now sent; returns the position to put into its meta.

        Raises:
            CreditError: The frame was not covered: a bug in the caller.
        """
        position = self.admit(key, size_bytes)
        if position is None:
            raise CreditError(self.hop, size_bytes)
        return position

    def admit(self, key: Any, size_bytes: int, *, alone: bool = False) -> Position | None:
        """Register a frame that is now sent, if it is covered; returns the position for its meta.

        Args:
            key: What it is registered under.
            size_bytes: Its size.
            alone: Nothing is sent behind it until it has been run: ``covers_alone`` has said so.
        """
        if not self.covers(size_bytes):
            return None
        position = new_position((self.hop, self.sent_frames, self.sent_bytes, self.sender))
        self.sent_bytes += size_bytes
        self._outstanding[self.sent_frames] = _Sent(key, self.sent_bytes, alone=alone)
        if alone:
            self._alone = self.sent_frames
        self.sent_frames += 1
        if not self.credited:
            self.excuse()  # it asked for this: whoever was given up is asked again
        return position

    def position(self) -> Position:
        """Return the stream's end: the next frame's position, and what a probe carries."""
        return Position(self.hop, self.sent_frames, self.sent_bytes, self.sender)

    def granted(self, grant: Grant) -> Heard:
        """Take a grant; returns what it shows of the frames sent before."""
        if grant.hop != self.hop or (grant.receiver in self._retired and not self.suspect):
            return Heard([], [], [])
        waited = self._unanswered
        self._probed_at = None
        self._unanswered = 0
        self.suspect = False
        self._silent_since = None
        lost: list[Lost] = []
        known = self._grant
        if known is None or known.receiver != grant.receiver:
            if known is not None:
                # Retired until the present one falls silent: a late grant of the one before must
                # not count, but if it was believed for the newest, the newest must come back.
                self._retired.append(known.receiver)
            lost += self._died(range(grant.since))
            self._grant = grant
        else:
            self._grant = Grant(
                grant.hop,
                grant.receiver,
                grant.since,
                arrived=max(known.arrived, grant.arrived),
                done=max(known.done, grant.done),
                ran=max(known.ran, grant.ran),
                # who has closed stays closed, whatever it said before comes late
                frames=min(known.frames, grant.frames) and max(known.frames, grant.frames),
                size_bytes=max(known.size_bytes, grant.size_bytes),
                largest_bytes=grant.largest_bytes,
                gaps=grant.gaps,
            )
        for first, end in grant.gaps:
            taken = self._take(range(first, end))
            lost += [Lost(sent.key, "link.lost", alone=sent.alone) for sent in taken.values()]
        before = self._arrived_bytes
        arrived = self._arrived(self._grant.arrived)
        if self._arrived_bytes > before:
            self._pace_bytes = max(LEAST_PACE_BYTES, (self._arrived_bytes - before) / (waited + 1))
        done = self._done(self._grant.done)
        if self._alone is not None and (
            self._alone < self._grant.ran or self._alone not in self._outstanding
        ):
            self._alone = None
        return Heard(lost, arrived, done)

    def probe(self, now: float, *, waiting: bool = False) -> Position | None:
        """Return the position to send as a probe, or None when none is due.

        Args:
            now: Monotonic seconds.
            waiting: A frame waits for credit.
        """
        if not (self._outstanding or waiting):
            self._probed_at = None
            self._silent_since = None
            return None
        opening = self._grant is None and waiting
        if self._probed_at is None and not opening:
            self._probed_at = now
            return self._asks(now)
        if self._probed_at is not None and now - self._probed_at < PROBE_SECONDS:
            return self._asks(now)
        self._probed_at = now
        self._unanswered += 1
        self.suspect |= self._unanswered >= SUSPECT_PROBES + self._waiting_probes
        if self._silent_since is None:
            self._silent_since, self._unanswered_before = now, self._unanswered - 1
        return self.position()

    def silent(self, now: float) -> bool:
        """Whether the neighbour has left probes unanswered for too long.

        Several of them: who was asleep itself, and asked nothing meanwhile, has not heard silence.
        """
        if self._silent_since is None:
            return False
        patience = SILENCE_SECONDS + self._waiting_probes * PROBE_SECONDS
        asked = self._unanswered - self._unanswered_before
        return asked >= SUSPECT_PROBES and now - self._silent_since >= patience

    def excuse(self) -> None:
        """Begin to count the neighbour's silence anew."""
        self._silent_since = None

    def lost_by_silence(self, now: float) -> list[Lost]:
        """Return, and forget, what a neighbour held that has been silent for too long."""
        if not self.silent(now):
            return []
        self._silent_since = None
        return self.abandoned()

    def abandoned(self) -> list[Lost]:
        """Forget all that the neighbour holds, and return it: somebody else shall have it."""
        self._arrived_bytes = self.sent_bytes  # waited for no longer
        self._pace_bytes = LEAST_PACE_BYTES
        self._alone = None
        return self._died(range(self.sent_frames))

    def given_up(self) -> list[Any]:
        """Count what was sent as arrived; returns keys: nobody need keep it for us any longer."""
        return self._arrived(self.sent_frames) if self.awaited else []

    def forgotten(self, beyond: int) -> list[Any]:
        """Forget the oldest frames until ``beyond`` are left; returns their keys."""
        excess = max(0, len(self._outstanding) - beyond)
        return [self._outstanding.popitem(last=False)[1].key for _ in range(excess)]

    @property
    def _waiting_probes(self) -> int:
        """How many probes may wait behind the frames that are under way."""
        return int(PATIENCE * (self.sent_bytes - self._arrived_bytes) / self._pace_bytes)

    def _arrived(self, before: int) -> list[Any]:
        news = []
        for index, sent in self._outstanding.items():
            if index >= before:
                break
            if not sent.arrived:
                sent.arrived = True
                self._arrived_bytes = sent.end_bytes
                news.append(sent.key)
        if before >= self.sent_frames:
            self._arrived_bytes = self.sent_bytes
        return news

    def _done(self, before: int) -> list[Any]:
        done = []
        while self._outstanding and next(iter(self._outstanding)) < before:
            done.append(self._outstanding.popitem(last=False)[1].key)
        return done

    def _take(self, positions: range) -> dict[int, _Sent]:
        gone = [index for index in self._outstanding if index in positions]
        return {index: self._outstanding.pop(index) for index in gone}

    def _died(self, positions: range) -> list[Lost]:
        """Take what a receiver held that is gone; last what is most likely the reason.

        Those that it is not known to have run may be the reason, and the oldest of them most: it
        runs them in order.
        """
        ran = self._grant.ran if self._grant is not None else 0
        cleared, others = [], []
        for index, sent in self._take(positions).items():
            if index < ran:
                cleared.append(Lost(sent.key, "worker.lost", cleared=True, alone=sent.alone))
            else:
                others.append(Lost(sent.key, "worker.lost", alone=self.credited))
        return cleared + others[1:] + others[:1]

    def _asks(self, now: float) -> Position | None:
        """Return what to ask when nothing else is due: has the frame been run that is alone?

        An answer shows that there is no silence; that there is none shows nothing.
        """
        if self._alone is None or now - self._asked_at < ALONE_SECONDS:
            return None
        self._asked_at = now
        return self.position()
