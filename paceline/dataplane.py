"""One client's connection to one pipeline: frames to the entry lane, answers back, both counted.

The caller's thread sends; the link's reader thread takes grants and answers and wakes the caller.
So positions leave in order and no lock is held while sending.
"""

import random
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Protocol

from paceline.news import News
from wire import frame as frames
from wire.buffers import Buffer
from wire.errors import FrameError, LinkDownError
from wire.frame import Frame, Kind
from wire.hop import Grant, Lost, Position, new_position
from wire.hop.receiver import HopReceiver
from wire.hop.replicas import Replicas
from wire.links import Link
from wire.messages import Route
from wire.topics import Lane, Site

_MANY: Final = 1 << 20
_MANY_BYTES: Final = 1 << 40
_MAX_ENTRIES: Final = 8
_CREDIT: Final = Kind.CREDIT  # to look up an enum's member costs eight times as much
_ANSWERS: Final = frozenset({Kind.RESULT, Kind.ERROR})
RESULTS_UNTOLD: Final = 8
"""Results that came and of which the last stage, which keeps them, is not told."""


class Recipient(Protocol):
    """A stream: hears what becomes of its frames, in the reader thread."""

    def answered(self, frame: Frame) -> None:
        """A result or an error came."""
        ...

    def lost(self, loss: Lost) -> None:
        """A frame, its key, was lost on the way to the entry, or in it."""
        ...


class DataPlane:
    """Sends to a pipeline's entry and receives its answers.

    Args:
        site: The topics.
        pipeline: Its name.
        client: This client's id.
        link: Not yet started; this object listens on it and closes it.
    """

    def __init__(self, site: Site, pipeline: str, client: str, link: Link) -> None:
        self.client = client
        self.changed = News()
        """Its lock guards everything. Told when an answer came, or what a sender waits for."""
        self._site = site
        self._pipeline = pipeline
        self._link = link
        self._entries: dict[tuple[str, ...], Replicas] = {}
        self._route: Route | None = None
        self._newest = Replicas(client, (), _random_number)
        """The entry of ``_route``."""
        self._room_wanted = False
        """Whether a frame waits for credit."""
        self._results = HopReceiver(_random_number(), _MANY, _MANY_BYTES, told_every=RESULTS_UNTOLD)
        self._recipients: dict[int, Recipient] = {}
        self._credit_address = lru_cache(maxsize=64)(self._credit_address_of)
        link.listen(site.topic("out", pipeline=pipeline, client=client), self._answer)
        link.listen(
            site.topic("client_credit", pipeline=pipeline, client=client), self._take_credit
        )

    def start(self, timeout_seconds: float) -> None:
        """Connect; see ``Link.start``."""
        self._link.start(timeout_seconds)

    def close(self) -> None:
        """Tell the last stages what has come, so that they do not wait for us, and disconnect."""
        with self.changed.lock:
            last = self._results.farewell(time.monotonic())
        for address, grant in last:
            self._grant(address, grant)
        self._link.close()

    def register(self, recipient: Recipient) -> int:
        """Return the number of a new stream whose answers go to ``recipient``."""
        stream = _random_number()
        with self.changed.lock:
            self._recipients[stream] = recipient
        return stream

    def forget(self, stream: int) -> None:
        """Take no more answers for a stream."""
        with self.changed.lock:
            self._recipients.pop(stream, None)

    def never_fits(self, route: Route, size_bytes: int) -> bool:
        """Whether the entry takes no frame of this size at all."""
        with self.changed.lock:
            return self._entry(route).never_fits(size_bytes)

    def send(
        self,
        route: Route,
        frame: Frame,
        finished: Callable[[Frame, Position], Frame],
        *,
        alone: bool = False,
    ) -> bool:
        """Send a frame if the entry of ``route`` takes it now; else its sender is told when to try.

        Args:
            route: Where to.
            frame: What is told of when it is lost.
            finished: Returns the frame as it leaves, with its position, once it is known that it
                does.
            alone: See `wire.hop.replicas`.

        Returns:
            Whether it was sent. When the link breaks meanwhile, the gap will tell.
        """
        size = frames.reckoned_bytes(frame)
        with self.changed.lock:
            entry = self._newest if route is self._route else self._entry(route)
            taken = entry.take(frame, size, alone=alone) if self._link.up else None
            if taken is None:
                self._room_wanted = True
                return False
        self._try_send(taken.address, finished(frame, taken.position))
        return True

    def tick(self, route: Route | None, *, waiting: bool) -> None:
        """Send what is due: positions that ask for credit; the sending thread calls it.

        Without a route, what is on its way is still asked for.
        """
        now = time.monotonic()
        with self.changed.lock:
            entry = self._entry(route) if route is not None else None
            told = [
                one.due(now, waiting=waiting and one is entry, up=self._link.up)
                for one in self._entries.values()
            ]
        for due in told:
            self._tell(due.lost)
            for address, position in due.probes:
                meta = {"hop": list(position), "client": self.client}
                self._try_send(address, Frame(Kind.CREDIT, 0, 0, meta=meta))

    def _entry(self, route: Route) -> Replicas:
        if route is self._route:
            return self._newest
        addresses = _entry_lanes(self._site, route)
        entry = self._entries.get(addresses)
        if entry is None:
            entry = Replicas(self.client, addresses, _random_number)
            self._entries[addresses] = entry
            for old in list(self._entries)[:-_MAX_ENTRIES]:
                del self._entries[old]
        self._route, self._newest = route, entry
        return entry

    def _take_credit(self, _address: str, data: Buffer) -> None:
        try:
            grant = Grant.from_meta(frames.decode(data).meta.get("grant"))
        except FrameError:
            return
        with self.changed.lock:
            lost = [loss for one in self._entries.values() for loss in one.granted(grant).lost]
            wanted, self._room_wanted = self._room_wanted, False
        self._tell(lost)
        if wanted or lost:
            self.changed.tell()

    def _answer(self, _address: str, data: Buffer) -> None:
        try:
            frame = frames.decode(data)
            position = Position.from_meta(frame.meta.get("hop"))
        except FrameError:
            return  # it will show as a gap
        hop, frames_before, bytes_before, device = position
        address = self._credit_address(device, frame.generation, frame.stage)
        position = new_position((hop, frames_before, bytes_before, address))  # all that is asked
        now = time.monotonic()
        if frame.kind is _CREDIT:
            with self.changed.lock:
                asked = self._results.probed(position, now)
            self._grant(address, asked)
            return
        with self.changed.lock:
            new, grant = self._results.passed(position, memoryview(data).nbytes, now)
            recipient = self._recipients.get(frame.stream)
        if grant is not None:
            self._grant(address, grant)
        if new and recipient is not None and frame.kind in _ANSWERS:
            recipient.answered(frame)
        self.changed.tell()

    def _credit_address_of(self, device: str, generation: int, stage: int) -> str:
        return self._site.credit(device, self._pipeline, Lane(generation, stage))

    def _grant(self, address: str, grant: Grant) -> None:
        self._try_send(address, Frame(Kind.CREDIT, 0, 0, meta={"grant": grant.to_meta()}))

    def _tell(self, lost: list[Lost]) -> None:
        for loss in lost:
            frame: Frame = loss.key
            with self.changed.lock:
                recipient = self._recipients.get(frame.stream)
            if recipient is not None:
                recipient.lost(loss)

    def _try_send(self, address: str, frame: Frame) -> None:
        try:
            self._link.send(address, frames.encode(frame))
        except LinkDownError:
            return


def _entry_lanes(site: Site, route: Route) -> tuple[str, ...]:
    lane = Lane(route.generation, 0)
    return tuple(site.lane(s.device, route.pipeline, lane) for s in route.stages if s.stage == 0)


def _random_number() -> int:
    return random.SystemRandom().getrandbits(63)
