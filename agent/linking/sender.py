"""The end that sends frames and takes the time until each is answered."""

import os
import queue
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from msgspec.structs import replace

from agent.linking.errors import FrameLostError, LinkUnreachableError
from agent.linking.receiver import CONNECT_SECONDS, CPU, END, options
from agent.linking.setup import Setup
from agent.others import Others
from wire import codecs, frame, link_names
from wire.buffers import Buffer
from wire.clock import clock_id
from wire.closing import Closing
from wire.direct import endpoint, pinned, proving
from wire.direct.connection import Connection, Events
from wire.direct.errors import EndpointError, HandshakeError
from wire.direct.proving import Key
from wire.frame import Frame, Kind
from wire.link_report import LinkReport, SizeReport
from wire.links import Link, open_link
from wire.profile_report import Load, Spread
from wire.random_number import random_number
from wire.statistics import median_within, quantile

WINDOW: Final = 4
"""Frames in flight, back to back."""
PAUSE_SECONDS: Final = 0.004
"""Between frames that travel one at a time: each finds the machine at rest."""
LOST_SECONDS: Final = 10.0
"""A frame that is not answered for so long is lost."""
LEAST: Final = 5
MOST: Final = 300
"""Frames of one size, one at a time; and back to back."""
MOST_BYTES: Final = 256 << 20
"""Of one size."""
WITHIN: Final = 0.03
SMALL_BYTES: Final = 64
ROUND_TRIP_SHARE: Final = 0.15
"""Of the time, for round trips; sizes share the rest."""
WARM_UP: Final = 5
_ENTROPY_BYTES: Final = 1 << 16


class Answer(NamedTuple):
    """That a frame was decoded."""

    sequence: int
    came: float
    """By `time.perf_counter`."""
    cpu_ns: int
    """What the receiver has used so far."""


class Trip(NamedTuple):
    """A frame that travelled alone."""

    seconds: float
    cpu_ns: int
    """What the receiver has used so far."""


class Sender(Closing):
    """Connected to a receiver.

    Raises:
        LinkUnreachableError: There is no way to it.
        BrokerUnreachableError: There is no broker.
    """

    def __init__(self, setup: Setup) -> None:
        self.way = "broker"
        self.encrypted = False
        self._setup = setup
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()  # at most WINDOW wait
        self._sequence = 0
        self._stream = random_number()
        self._closing: Callable[[], None] = lambda: None
        self._send: Callable[[Sequence[Buffer]], None]
        if setup.order.link in link_names.BROKERED:
            self._send = self._by_broker()
        else:
            self._send = self._directly()

    def measured(self) -> LinkReport:
        """Measure, in the time that the order gives.

        Raises:
            FrameLostError: A frame was not answered.
            LinkDownError: The connection broke.
        """
        order, others = self._setup.order, Others()
        load_average = os.getloadavg()[0]
        small = self._tensor(SMALL_BYTES)
        for _ in range(WARM_UP):
            self._one(small)
        round_trips = [one.seconds for one in self._singly(small, order.seconds * ROUND_TRIP_SHARE)]
        share = order.seconds * (1 - ROUND_TRIP_SHARE) / len(order.sizes) / 2
        sizes = tuple(self._size(size, share) for size in order.sizes)
        self._one(small, last=True)
        return LinkReport(
            link=order.link,
            way=self.way,
            encrypted=self.encrypted,
            round_trip=spread(round_trips),
            sizes=sizes,
            load=Load(others_busy_ratio=others.ratio(), load_average=load_average),
        )

    def close(self) -> None:
        """Disconnect; closing twice is harmless."""
        self._closing()

    def _size(self, size_bytes: int, seconds: float) -> SizeReport:
        tensor = self._tensor(size_bytes)
        before, own_ns = self._one(tensor), time.process_time_ns()
        single = list(self._singly(tensor, seconds))
        own_ns = time.process_time_ns() - own_ns
        times = [one.seconds for one in single]
        pace = quantile(times, 0.5)
        most = min(MOST, max(2 * WINDOW, MOST_BYTES // size_bytes))
        frames = max(2 * WINDOW, min(most, int(seconds / pace)))
        return replace(
            self._back_to_back(tensor, size_bytes, frames, spread(times)),
            sender_alone_cpu_seconds=own_ns / 1e9 / len(single),
            receiver_alone_cpu_seconds=(single[-1].cpu_ns - before.cpu_ns) / 1e9 / len(single),
        )

    def _singly(self, tensor: "np.ndarray", seconds: float) -> Iterator["Trip"]:
        """Yield what each frame took until the median is known or time is up."""
        times: list[float] = []
        spent = 0.0
        most = min(MOST, max(LEAST, MOST_BYTES // max(1, tensor.nbytes)))
        while len(times) < most and (len(times) < LEAST or spent < seconds):
            looks = spent >= seconds / 3 and len(times) % 10 == 0
            if looks and median_within(times, WITHIN):
                return
            trip = self._one(tensor)
            times.append(trip.seconds)
            yield trip
            time.sleep(PAUSE_SECONDS)
            spent += times[-1] + PAUSE_SECONDS

    def _back_to_back(
        self, tensor: "np.ndarray", size_bytes: int, frames: int, seconds: Spread
    ) -> SizeReport:
        before = self._answered(self._give(tensor), size_bytes)  # its receiver is awake
        own_ns = time.process_time_ns()
        for _ in range(WINDOW):
            self._give(tensor)
        # from answer to answer: what the first one takes alone is no part of the pace
        first = last = self._answered(None, size_bytes)
        for number in range(1, frames):
            if number + WINDOW <= frames:
                self._give(tensor)
            last = self._answered(None, size_bytes)
        own_ns = time.process_time_ns() - own_ns
        return SizeReport(
            bytes=size_bytes,
            seconds=seconds,
            bytes_per_second=(frames - 1) * size_bytes / (last.came - first.came),
            frames=frames,
            sender_cpu_seconds=own_ns / 1e9 / frames,
            receiver_cpu_seconds=(last.cpu_ns - before.cpu_ns) / 1e9 / frames,
        )

    def _one(self, tensor: "np.ndarray", *, last: bool = False) -> "Trip":
        began = time.perf_counter()
        answer = self._answered(self._give(tensor, last=last), tensor.nbytes)
        return Trip(answer.came - began, answer.cpu_ns)

    def _give(self, tensor: "np.ndarray", *, last: bool = False) -> int:
        self._sequence += 1
        made = Frame(
            Kind.DATA,
            self._stream,
            self._sequence,
            stage=1,
            meta={END: True} if last else {},
            tensors=codecs.tensors({"x": tensor}),
        )
        self._send(frame.encode(made))
        return self._sequence

    def _answered(self, sequence: int | None, size_bytes: int) -> Answer:
        """Return the next answer, or that to one frame."""
        while True:
            try:
                answer = self._answers.get(timeout=LOST_SECONDS)
            except queue.Empty:
                link = self._setup.order.link
                raise FrameLostError(link, size_bytes, LOST_SECONDS) from None
            if sequence is None or answer.sequence == sequence:
                return answer

    def _take(self, data: Buffer) -> None:
        came = time.perf_counter()
        answer = frame.decode(data)
        cpu_ns = answer.meta.get(CPU)
        if answer.kind is Kind.CREDIT and answer.stream == self._stream and isinstance(cpu_ns, int):
            self._answers.put(Answer(answer.sequence, came, cpu_ns))

    def _tensor(self, size_bytes: int) -> "np.ndarray":
        """Return bytes that a network cannot make smaller."""
        noise = np.frombuffer(os.urandom(_ENTROPY_BYTES), np.uint8)
        return np.resize(noise, size_bytes)

    def _by_broker(self) -> Callable[[Sequence[Buffer]], None]:
        setup = self._setup
        link: Link = open_link(setup.order.link, options(setup))
        self._closing = link.close
        link.listen(setup.answer_address, lambda _, data: self._take(data))
        link.start(CONNECT_SECONDS)
        self.way, self.encrypted = setup.broker.url, setup.broker.url.startswith(("mqtts:", "wss:"))
        return lambda buffers: link.send(setup.frame_address, buffers)

    def _directly(self) -> Callable[[Sequence[Buffer]], None]:
        setup, order = self._setup, self._setup.order
        key = Key(
            address=setup.frame_address,
            token=order.token,
            sender=setup.device,
            own_file=setup.direct.certificate_file,
            certificate=pinned.der(order.peer_certificate),
        )
        offered = endpoint.from_meta(list(order.offers))
        certified = bool(key.own_file and key.certificate)
        ways = endpoint.ways(
            offered,
            setup.frame_address,
            link=order.link,
            host=clock_id(),
            has_certificates=certified,
        )
        why = endpoint.why_none(offered, host=clock_id(), has_certificates=certified)
        problems = [] if ways else [why]
        for way in ways:
            try:
                met = proving.connect(way, key, CONNECT_SECONDS)
            except (EndpointError, HandshakeError) as error:
                problems.append(f"{way}: {error.problem}")
                continue
            events = Events(receive=lambda _, data: self._take(data))
            connection = Connection(
                met.stream, way.link, order.peer, events, setup.max_frame_bytes, arena=met.arena
            )
            self._closing = connection.close
            connection.start()
            self.way, self.encrypted = str(way), way.encrypted
            return connection.send
        raise LinkUnreachableError(order.link, order.peer, "; ".join(problems)[:400])


def spread(values: Sequence[float]) -> Spread:
    """Return what was measured several times."""
    return Spread(
        p10=quantile(values, 0.1),
        p50=quantile(values, 0.5),
        p90=quantile(values, 0.9),
        count=len(values),
        mean=statistics.fmean(values),
    )
