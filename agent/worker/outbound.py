"""The sending side of a worker: to the next stage with credit, to clients without.

Only the compute thread sends frames that have a position; the reader thread brings grants and
leaves answers to be sent. So positions leave in order and no lock is held while sending.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from agent.worker.stage import Stage, random_number
from agent.worker.stats import Stats
from wire import frame as frames
from wire.buffers import Buffer
from wire.errors import FrameError, LinkDownError
from wire.frame import Frame, Kind
from wire.hop import Grant, Lost
from wire.hop_sender import HopSender
from wire.ids import is_id
from wire.links import Link

MAX_CLIENTS: Final = 64
MAX_ANSWERS: Final = 1024
"""Errors waiting to be sent; when full, the oldest is dropped and ends at its client's deadline."""
MAX_MESSAGE_CHARACTERS: Final = 500
"""Of an error's sentence: it may quote what came with the frame, and must fit into meta."""
REMEMBERED_RESULTS: Final = 256
FRONT_BYTES: Final = 2048
"""What head, meta and table are reckoned as, before a frame has its position."""
_WAIT_SECONDS: Final = 0.05


class FrameKey(NamedTuple):
    """Whose frame it is: enough to tell its client what became of it."""

    client: str
    stream: int
    sequence: int


class Answer(NamedTuple):
    """An error to be sent to a client."""

    key: FrameKey
    code: str
    message: str


class Outbound:
    """Where a worker's frames go.

    Args:
        stage: Where we are.
        link: Carries the frames; already listening to the credit address.
        stats: What is counted.
        stopping: Whether waiting for credit is to be given up.
    """

    def __init__(
        self, stage: Stage, link: Link, stats: Stats, stopping: Callable[[], bool]
    ) -> None:
        self._stage = stage
        self._link = link
        self._stats = stats
        self._stopping = stopping
        self._granted = threading.Condition()
        self._hops: OrderedDict[str, HopSender] = OrderedDict()
        self._answers: deque[Answer] = deque(maxlen=MAX_ANSWERS)

    @property
    def settled(self) -> bool:
        """Whether nothing waits to be sent and the next stage has finished all it was sent."""
        with self._granted:
            waiting = any(hop.outstanding for hop in self._hops.values() if hop.credited)
            return not self._answers and not waiting

    def suspects(self) -> tuple[str, ...]:
        """Return the addresses of neighbours that do not answer."""
        with self._granted:
            now = time.monotonic()
            # a client that stays silent has gone, and is nobody's trouble
            return tuple(
                address
                for address, hop in self._hops.items()
                if hop.suspect and (hop.credited or not hop.silent(now))
            )

    def answer(self, frame: Frame, code: str, message: str) -> None:
        """Leave an error for a frame's client; any thread may call."""
        key = _key(frame)
        if key is not None:
            self._answers.append(Answer(key, code, message[:MAX_MESSAGE_CHARACTERS]))

    def send_grant(self, sender: str, grant: Grant) -> None:
        """Tell a sender of our lane its credit; any thread may call. A lost one is repeated."""
        credit = self._credit_frame({"grant": grant.to_meta()})
        self._try_send(self._stage.grant_address(sender), credit)

    def take_credit(self, _address: str, data: Buffer) -> None:
        """Take a grant from the link's reader thread."""
        try:
            frame = frames.decode(data)
            grant = Grant.from_meta(frame.meta.get("grant"))
        except FrameError as error:
            self._stats.refused(error.code)
            return
        with self._granted:
            lost = [loss for hop in self._hops.values() for loss in hop.granted(grant)]
            self._granted.notify_all()
        self._leave(lost)

    def forward(self, frame: Frame, deadline_ns: int | None) -> int | None:
        """Send a frame to the next stage or its client; waits for credit.

        Returns:
            Its size in bytes; None: given up, and its client is told.
        """
        peer = self._stage.next
        if peer is None:
            address, hop = self._client_hop(frame.meta["client"])
        else:
            address = self._stage.next_address(peer)
            hop = self._hop(address, credited=True)
        size = _size_bytes(frame)
        while hop.never_fits(size) or not self._ready(hop, size):
            if hop.never_fits(size):
                self.answer(frame, "frame.too_large", f"{size} bytes are more than stage takes")
                return None
            if deadline_ns is not None and time.monotonic_ns() >= deadline_ns:
                self.answer(frame, "frame.deadline", "no credit from the next stage in time")
                self._stats.refused("frame.deadline")
                return None
            if self._stopping():
                self.answer(frame, "worker.draining", "the worker is going away; send again")
                return None
            self.tick(waiting=hop)
            with self._granted:
                if not hop.covers(size):
                    self._granted.wait(_WAIT_SECONDS)
        return self._send(address, hop, frame, size)

    def tick(self, waiting: HopSender | None = None) -> None:
        """Send what is due: errors left by other threads, probes; the compute thread calls it."""
        now = time.monotonic()
        with self._granted:
            probes = []
            lost: list[Lost] = []
            for address, hop in self._hops.items():
                if hop.credited:
                    lost += hop.lost_by_silence(now)
                elif not self._link.up:
                    hop.excuse()  # it cannot hear us
                elif hop.silent(now):
                    # gone, or its link is down: no longer asked, but what it was sent is kept, for
                    # with the next result it may be there again and know what it has missed
                    continue
                position = hop.probe(now, waiting=hop is waiting)
                if position is not None:
                    probes.append((address, position))
        self._leave(lost)
        for address, position in probes:
            self._try_send(address, self._credit_frame({"hop": list(position)}))
        while self._answers and self._link.up:
            self._send_answer(self._answers.popleft())

    def _credit_frame(self, meta: dict[str, Any]) -> Frame:
        lane = self._stage.lane
        return Frame(Kind.CREDIT, 0, 0, generation=lane.generation, stage=lane.stage, meta=meta)

    def _ready(self, hop: HopSender, size: int) -> bool:
        with self._granted:
            return self._link.up and hop.covers(size)

    def _send(self, address: str, hop: HopSender, frame: Frame, size: int) -> int:
        with self._granted:
            position = hop.sent(_key(frame), size)
        # the position is spent even if the link breaks now: the receiver will see the gap
        self._try_send(address, frame.with_meta(hop=list(position)))
        return size

    def _try_send(self, address: str, frame: Frame) -> None:
        try:
            self._link.send(address, frames.encode(frame))
        except LinkDownError:
            return

    def _send_answer(self, answer: Answer) -> None:
        address, hop = self._client_hop(answer.key.client)
        error = {
            "code": answer.code,
            "message": answer.message,
            "stage": self._stage.lane.stage,
            "device": self._stage.device,
        }
        frame = Frame(
            Kind.ERROR,
            answer.key.stream,
            answer.key.sequence,
            generation=self._stage.lane.generation,
            stage=self._stage.lane.stage,
            meta={"client": answer.key.client, "error": error},
        )
        self._stats.failed(answer.code)
        self._send(address, hop, frame, frames.HEAD_BYTES)

    def _client_hop(self, client: str) -> tuple[str, HopSender]:
        address = self._stage.client_address(client)
        return address, self._hop(address, credited=False)

    def _hop(self, address: str, *, credited: bool) -> HopSender:
        with self._granted:
            hop = self._hops.get(address)
            if hop is None:
                hop = self._hops[address] = HopSender(
                    random_number(),
                    self._stage.device,
                    credited=credited,
                    max_outstanding=REMEMBERED_RESULTS,
                )
                self._forget_clients()
            self._hops.move_to_end(address)
            return hop

    def _forget_clients(self) -> None:
        clients = [address for address, hop in self._hops.items() if not hop.credited]
        for address in clients[: max(0, len(clients) - MAX_CLIENTS)]:
            del self._hops[address]

    def _leave(self, lost: list[Lost]) -> None:
        for loss in lost:
            if loss.key is not None:
                where = "the next stage" if loss.code == "worker.lost" else "the link"
                self._answers.append(Answer(loss.key, loss.code, f"lost by {where}; send it again"))


def _key(frame: Frame) -> FrameKey | None:
    client: Any = frame.meta.get("client")
    return FrameKey(client, frame.stream, frame.sequence) if is_id(client) else None


def _size_bytes(frame: Frame) -> int:
    payload = sum(tensor.data.nbytes + frames.ALIGNMENT for tensor in frame.tensors)
    return payload + FRONT_BYTES
