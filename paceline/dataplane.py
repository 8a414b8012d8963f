"""One client's connection to one pipeline: frames to the entry lane, answers back, both counted.

The caller's thread sends; the link's reader thread takes grants and answers and wakes the caller.
So positions leave in order and no lock is held while sending. Frames go and answers come by the
broker, or directly where the first or the last stage runs on this host (`paceline.ways`).
"""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Final, Protocol

from paceline.errors import NotDirectError
from paceline.news import News
from paceline.ways import Client, Ways
from wire import frame as frames
from wire import link_names
from wire.buffers import Buffer
from wire.errors import FrameError, LinkDownError
from wire.frame import Frame, Kind
from wire.hop import Grant, Lost, Position, new_position
from wire.hop.receiver import HopReceiver
from wire.ids import is_id
from wire.links import Link
from wire.messages import Route
from wire.random_number import random_number
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
        usual: Its name.
        host: What names this machine and its boot; empty: as it is.
    """

    def __init__(
        self,
        site: Site,
        pipeline: str,
        client: str,
        link: Link,
        usual: str = link_names.DEFAULT,
        host: str = "",
    ) -> None:
        self.client = client
        self.changed = News()
        """Its lock guards everything. Told when an answer came, or what a sender waits for."""
        self._site = site
        self._pipeline = pipeline
        self._link = link
        self._us = Client(
            name=client,
            link=link,
            usual=usual,
            granted=self._take_credit,
            answered=partial(self._answer, direct=True),
            changed=self.changed.tell,
            host=host,
        )
        self._ways: dict[tuple[str, ...], Ways] = {}
        """By the lanes of the first stage."""
        self._forgotten: list[Ways] = []
        """To be closed by the sending thread."""
        self._route: Route | None = None
        self._newest = Ways(self._us, {}, {})
        """Those of ``_route``."""
        self._went: dict[str, str] = {}
        """The ``links`` that there were when it was closed."""
        self._came: dict[str, str] = {}
        """The ``links_back``."""
        self._room_wanted = False
        """Whether a frame waits for credit."""
        self._results = HopReceiver(random_number(), _MANY, _MANY_BYTES, told_every=RESULTS_UNTOLD)
        self._recipients: dict[int, Recipient] = {}
        self._credit_address = lru_cache(maxsize=64)(self._credit_address_of)
        link.listen(
            site.topic("out", pipeline=pipeline, client=client), lambda _, data: self._answer(data)
        )
        link.listen(
            site.topic("client_credit", pipeline=pipeline, client=client),
            lambda _, data: self._take_credit(data),
        )

    @property
    def links(self) -> dict[str, str]:
        """How frames go, or went, to each device of the entry; empty before the first one."""
        return self._went or self._newest.there.links()

    @property
    def links_back(self) -> dict[str, str]:
        """How answers come, or came, from each device of the last stage."""
        return self._came or self._newest.back.links()

    @property
    def both_links(self) -> dict[str, dict[str, str]]:
        """``links`` and ``links_back``, as a client's account tells them."""
        return {"links": self.links, "links_back": self.links_back}

    def start(self, timeout_seconds: float) -> None:
        """Connect; see ``Link.start``."""
        self._link.start(timeout_seconds)

    def close(self) -> None:
        """Tell the last stages what has come, so that they do not wait for us, and disconnect."""
        self._went, self._came = self.links, self.links_back
        with self.changed.lock:
            last = self._results.farewell(time.monotonic())
        for address, grant in last:
            self._grant(address, grant)
        for ways in (*self._ways.values(), *self._forgotten):
            ways.close()
        self._link.close()

    def register(self, recipient: Recipient) -> int:
        """Return the number of a new stream whose answers go to ``recipient``."""
        stream = random_number()
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
            return self._ways_of(route).replicas.never_fits(size_bytes)

    def not_direct(self, since: float) -> NotDirectError | None:
        """Return why nothing can go, or be answered, where no broker may be used; None: it can.

        Args:
            since: What was found before does not count; monotonic seconds.
        """
        why = self._newest.unreachable(since)
        return NotDirectError(self._pipeline, why) if why else None

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
        if route is not self._route:
            with self.changed.lock:
                self._ways_of(route)
        ways = self._newest
        if ways.there.some_ready:
            now = time.monotonic()
            ways.there.switch_ready(now, partial(self._all_arrived, ways))
            if ways.there.hold(now):
                with self.changed.lock:
                    self._room_wanted = True
                return False
        with self.changed.lock:
            up = self._link.up or ways.up
            taken = (
                ways.replicas.take(frame, size, alone=alone, reached=ways.reached) if up else None
            )
            if taken is None:
                self._room_wanted = True
                return False
        _try_send(ways.there.send, taken.address, finished(frame, taken.position))
        return True

    def tick(self, route: Route | None, *, waiting: bool) -> None:
        """Send what is due: positions that ask for credit; the sending thread calls it.

        Without a route, what is on its way is still asked for.
        """
        now = time.monotonic()
        with self.changed.lock:
            newest = self._ways_of(route) if route is not None else None
            told = [
                (ways, ways.replicas.due(now, waiting=waiting and ways is newest, up=ways.up))
                for ways in self._ways.values()
            ]
            forgotten, self._forgotten = self._forgotten, []
        for ways, due in told:
            self._tell(due.lost)
            for address, position in due.probes:
                self._tell_position(ways, address, position)
        if newest is not None:
            self._climb(newest, now)
        for ways in forgotten:
            ways.close()

    def _climb(self, ways: Ways, now: float) -> None:
        """Do what direct connections need; see `wire.direct.paths`."""
        with self.changed.lock:
            suspects = ways.replicas.suspects
        for told in ways.there.tend(now, suspects, partial(self._all_arrived, ways)):
            with self.changed.lock:
                position = ways.replicas.position(told.address)
            self._tell_position(ways, told.address, position, asks=told.offers)
        for told in ways.back.tend(now, (), _always):
            if told.offers:
                meta = {"offers": True, "client": self.client}
                _try_send(self._link.send, told.address, Frame(Kind.CREDIT, 0, 0, meta=meta))

    def _all_arrived(self, ways: Ways, address: str) -> bool:
        with self.changed.lock:
            return ways.replicas.all_arrived(address)

    def _tell_position(
        self, ways: Ways, address: str, position: Position, *, asks: bool = False
    ) -> None:
        meta = {"hop": list(position), "client": self.client} | ({"offers": True} if asks else {})
        _try_send(ways.there.tell, address, Frame(Kind.CREDIT, 0, 0, meta=meta))

    def _ways_of(self, route: Route) -> Ways:
        if route is self._route:
            return self._newest
        first = self._devices(route, 0, self._site.lane)
        ways = self._ways.get(tuple(first))
        if ways is None:
            last = self._devices(route, max(s.stage for s in route.stages), self._site.credit)
            ways = self._ways[tuple(first)] = Ways(
                self._us, first, last, route.entry_link, route.answers_link
            )
            for old in list(self._ways)[:-_MAX_ENTRIES]:
                self._forgotten.append(self._ways.pop(old))
        self._route, self._newest = route, ways
        return ways

    @staticmethod
    def _devices(
        route: Route, number: int, address: Callable[[str, str, Lane], str]
    ) -> dict[str, str]:
        """Return the devices of a stage by an address of theirs."""
        lane = Lane(route.generation, number)
        found = [stage.device for stage in route.stages if stage.stage == number]
        return {address(device, route.pipeline, lane): device for device in found}

    def _take_credit(self, data: Buffer) -> None:
        try:
            frame = frames.decode(data)
            grant = Grant.from_meta(frame.meta.get("grant"))
        except FrameError:
            return
        with self.changed.lock:
            known = tuple(self._ways.values())
            lost = [loss for ways in known for loss in ways.replicas.granted(grant).lost]
            wanted, self._room_wanted = self._room_wanted, False
        if "offers" in frame.meta:
            for ways in known:
                with self.changed.lock:
                    address = ways.replicas.address(grant.hop)
                if address is not None:
                    ways.there.offered(address, frame.meta["offers"], frame.meta.get("token"))
        self._tell(lost)
        if wanted or lost:
            self.changed.tell()

    def _answer(self, data: Buffer, *, direct: bool = False) -> None:
        try:
            frame = frames.decode(data)
            if "offers" in frame.meta and frame.kind is _CREDIT:
                self._offered(frame)
                return
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
            if grant is None and not direct and self._newest.back.is_direct(address):
                grant = self._results.grant(hop, now)  # what is to come changes over when all came
            recipient = self._recipients.get(frame.stream)
        if grant is not None:
            self._grant(address, grant)
        if new and recipient is not None and frame.kind in _ANSWERS:
            recipient.answered(frame)
        self.changed.tell()

    def _offered(self, frame: Frame) -> None:
        """Take what a last stage offers for answers: the one whose frame this says it is."""
        device = frame.meta.get("device")
        if is_id(device):
            address = self._credit_address(device, frame.generation, frame.stage)
            self._newest.back.offered(address, frame.meta["offers"], frame.meta.get("token"))

    def _credit_address_of(self, device: str, generation: int, stage: int) -> str:
        return self._site.credit(device, self._pipeline, Lane(generation, stage))

    def _grant(self, address: str, grant: Grant) -> None:
        frame = Frame(Kind.CREDIT, 0, 0, meta={"grant": grant.to_meta()})
        _try_send(self._newest.back.tell, address, frame)

    def _tell(self, lost: list[Lost]) -> None:
        for loss in lost:
            frame: Frame = loss.key
            with self.changed.lock:
                recipient = self._recipients.get(frame.stream)
            if recipient is not None:
                recipient.lost(loss)


def _try_send(send: Callable[[str, Sequence[Buffer]], None], address: str, frame: Frame) -> None:
    try:
        send(address, frames.encode(frame))
    except LinkDownError:
        return


def _always(_address: str) -> bool:
    """What tells that answers came needs no order."""
    return True
