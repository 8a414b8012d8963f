"""One client's connection to one pipeline: frames to the entry lane, answers back, both counted.

The caller's thread sends; the link's reader thread takes grants and answers and wakes the caller.
So positions leave in order and no lock is held while sending. Frames go by the broker, or directly
to an entry on this host that offers it (`wire.direct.paths`); answers come by the broker.
"""

import time
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, Final, Protocol

from paceline.entry import Entry, random_number
from paceline.news import News
from wire import frame as frames
from wire import link_names
from wire.buffers import Buffer
from wire.direct.paths import Paths
from wire.errors import FrameError, LinkDownError
from wire.frame import Frame, Kind
from wire.hop import Grant, Lost, Position, new_position
from wire.hop.receiver import HopReceiver
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
        usual: Its name.
        host: What names this machine and its boot; None: as it is.
    """

    def __init__(
        self,
        site: Site,
        pipeline: str,
        client: str,
        link: Link,
        usual: str = link_names.DEFAULT,
        host: str | None = None,
    ) -> None:
        self.client = client
        self.changed = News()
        """Its lock guards everything. Told when an answer came, or what a sender waits for."""
        self._site = site
        self._pipeline = pipeline
        self._link = link
        self._made = partial(
            Entry,
            client,
            link=link,
            usual=usual,
            receive=self._take_credit,
            changed=self.changed.tell,
            host=host,
        )
        self._entries: dict[tuple[str, ...], Entry] = {}
        self._forgotten: list[Entry] = []
        """To be closed by the sending thread."""
        self._route: Route | None = None
        self._newest = self._made({})
        """The entry of ``_route``."""
        self._room_wanted = False
        """Whether a frame waits for credit."""
        self._results = HopReceiver(random_number(), _MANY, _MANY_BYTES, told_every=RESULTS_UNTOLD)
        self._recipients: dict[int, Recipient] = {}
        self._credit_address = lru_cache(maxsize=64)(self._credit_address_of)
        link.listen(site.topic("out", pipeline=pipeline, client=client), self._answer)
        link.listen(
            site.topic("client_credit", pipeline=pipeline, client=client),
            lambda _, data: self._take_credit(data),
        )

    @property
    def links(self) -> dict[str, str]:
        """How frames go to each device of the entry; empty before the first one."""
        return self._newest.paths.links()

    def start(self, timeout_seconds: float) -> None:
        """Connect; see ``Link.start``."""
        self._link.start(timeout_seconds)

    def close(self) -> None:
        """Tell the last stages what has come, so that they do not wait for us, and disconnect."""
        with self.changed.lock:
            last = self._results.farewell(time.monotonic())
        for address, grant in last:
            self._grant(address, grant)
        for entry in (*self._entries.values(), *self._forgotten):
            entry.paths.close()
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
            return self._entry(route).replicas.never_fits(size_bytes)

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
                self._entry(route)
        entry = self._newest
        if entry.paths.some_ready:
            entry.paths.switch_ready(time.monotonic(), partial(self._all_arrived, entry))
        with self.changed.lock:
            taken = entry.replicas.take(frame, size, alone=alone) if self._link.up else None
            if taken is None:
                self._room_wanted = True
                return False
        self._try_send(taken.address, finished(frame, taken.position), entry)
        return True

    def tick(self, route: Route | None, *, waiting: bool) -> None:
        """Send what is due: positions that ask for credit; the sending thread calls it.

        Without a route, what is on its way is still asked for.
        """
        now = time.monotonic()
        with self.changed.lock:
            entry = self._entry(route) if route is not None else None
            told = [
                (one, one.replicas.due(now, waiting=waiting and one is entry, up=self._link.up))
                for one in self._entries.values()
            ]
            forgotten, self._forgotten = self._forgotten, []
        for one, due in told:
            self._tell(due.lost)
            for address, position in due.probes:
                self._tell_position(one, address, position)
        if entry is not None:
            self._climb(entry, now)
        for one in forgotten:
            one.paths.close()

    def _climb(self, entry: Entry, now: float) -> None:
        """Do what a direct connection to the entry needs; see `wire.direct.paths`."""
        with self.changed.lock:
            suspects = entry.replicas.suspects
        for told in entry.paths.tend(now, suspects, partial(self._all_arrived, entry)):
            with self.changed.lock:
                position = entry.replicas.position(told.address)
            self._tell_position(entry, told.address, position, asks=told.offers)

    def _all_arrived(self, entry: Entry, address: str) -> bool:
        with self.changed.lock:
            return entry.replicas.all_arrived(address)

    def _tell_position(
        self, entry: Entry, address: str, position: Position, *, asks: bool = False
    ) -> None:
        meta = {"hop": list(position), "client": self.client} | ({"offers": True} if asks else {})
        self._try_send(address, Frame(Kind.CREDIT, 0, 0, meta=meta), entry)

    def _entry(self, route: Route) -> Entry:
        if route is self._route:
            return self._newest
        devices = _entry_devices(self._site, route)
        entry = self._entries.get(tuple(devices))
        if entry is None:
            entry = self._entries[tuple(devices)] = self._made(devices)
            for old in list(self._entries)[:-_MAX_ENTRIES]:
                self._forgotten.append(self._entries.pop(old))
        self._route, self._newest = route, entry
        return entry

    def _take_credit(self, data: Buffer) -> None:
        try:
            frame = frames.decode(data)
            grant = Grant.from_meta(frame.meta.get("grant"))
        except FrameError:
            return
        with self.changed.lock:
            entries = tuple(self._entries.values())
            lost = [loss for one in entries for loss in one.replicas.granted(grant).lost]
            wanted, self._room_wanted = self._room_wanted, False
        if "offers" in frame.meta:
            self._offered(entries, grant, frame.meta)
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

    def _offered(self, entries: tuple[Entry, ...], grant: Grant, meta: Mapping[str, Any]) -> None:
        for entry in entries:
            with self.changed.lock:
                address = entry.replicas.address(grant.hop)
            if address is not None:
                entry.paths.offered(address, meta["offers"], meta.get("token"))

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

    def _try_send(self, address: str, frame: Frame, entry: Entry | None = None) -> None:
        way: Link | Paths = self._link if entry is None else entry.paths
        try:
            way.send(address, frames.encode(frame))
        except LinkDownError:
            return


def _entry_devices(site: Site, route: Route) -> dict[str, str]:
    """Return the devices of the first stage by the addresses of their lanes."""
    lane = Lane(route.generation, 0)
    first = [stage.device for stage in route.stages if stage.stage == 0]
    return {site.lane(device, route.pipeline, lane): device for device in first}
