"""The sending side of a worker: to the next stage with credit, to clients without.

Only one thread at a time sends frames that have a position (`agent.worker.departures`); reader
threads bring grants and leave what has to be sent, or sent again. So positions leave in order.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from agent.worker.answering import Answering
from agent.worker.custody import Custody, FrameKey, Kept
from agent.worker.hops import MAX_CLIENTS, Hops
from agent.worker.stage import Stage
from agent.worker.stats import Stats
from wire import frame as frames
from wire import link_names
from wire.buffers import Buffer
from wire.direct.connection import Connection
from wire.direct.paths import Paths
from wire.errors import FrameError, LinkDownError
from wire.frame import NO_DEADLINE, Frame, Kind
from wire.hop import Grant, Lost, Position
from wire.ids import is_id

MAX_ANSWERS: Final = 1024
"""Errors waiting to be sent; when full, the oldest is dropped and ends at its client's deadline."""
MAX_MESSAGE_CHARACTERS: Final = 500
"""Of an error's sentence: it may quote what came with the frame, and must fit into meta."""
KEPT_BYTES: Final = 64 << 20
_WAIT_SECONDS: Final = 0.05
LOOK_SECONDS: Final = 0.05
"""How often neighbours are looked after, when nothing waits for them."""


class Answer(NamedTuple):
    """An error to be sent to a client."""

    key: FrameKey
    code: str
    message: str


class Outbound:
    """Where a worker's frames go.

    Args:
        stage: Where we are.
        paths: Carry the frames; already listening to the credit address.
        stats: What is counted.
        stopping: Whether waiting for credit is to be given up.
        settle: Called, in any thread, with the position of a frame that is out of our hands.
        wake: Called when there is something to send, in a reader thread.
        kept_bytes: What frames that may have to be sent again may take.
    """

    def __init__(
        self,
        stage: Stage,
        paths: Paths,
        stats: Stats,
        stopping: Callable[[], bool],
        *,
        settle: Callable[[Position], None] = lambda _: None,
        wake: Callable[[], None] = lambda: None,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self._stage = stage
        self._paths = paths
        self._stats = stats
        self._stopping = stopping
        self._wake = wake
        self._is_last = not stage.downstream
        self._reached = paths.carries if paths.never_broker and not self._is_last else None
        self._hops = Hops(stage)
        self._client_address = lru_cache(MAX_CLIENTS)(stage.client_address)
        self._grant_address = lru_cache(MAX_CLIENTS)(stage.grant_address)
        self._custody = Custody(kept_bytes, settle)
        self._waiting: deque[Kept] = deque()  # one at a time: ``forward`` waits for it
        self._again: deque[Kept] = deque()  # at most what was outstanding
        self._alone: deque[Kept] = deque()  # the same: sent again, one after the other
        self._answers: deque[Answer] = deque(maxlen=MAX_ANSWERS)
        self._for_broker: deque[Answer] = deque(maxlen=MAX_ANSWERS)
        """Those that only the broker can take, while it is away."""
        self._look_at = 0.0
        self.answering: Answering | None = None
        """Of a last stage: direct connections to clients."""

    @property
    def settled(self) -> bool:
        """Whether nothing waits to be sent, and what was sent needs us no longer."""
        waits = self._answers or self._for_broker or self._sends_again or self._waiting
        return not waits and self._hops.settled

    @property
    def _sends_again(self) -> bool:
        return bool(self._again or self._alone)

    @property
    def kept_bytes(self) -> int:
        """What the frames take that may have to be sent again."""
        return self._custody.held_bytes

    def suspects(self) -> tuple[str, ...]:
        """Return the addresses of neighbours that do not answer."""
        return self._hops.suspects(time.monotonic())

    def answer(self, frame: Frame, code: str, message: str) -> None:
        """Leave an error for a frame's client; any thread may call."""
        self._leave(FrameKey.of(frame), code, message)

    def grant_frame(self, grant: Grant, **meta: Any) -> list[Buffer]:
        """Return what tells a sender of our lane its credit, encoded."""
        return frames.encode(self._credit_frame({"grant": grant.to_meta(), **meta}))

    def send_grant(self, sender: str, buffers: list[Buffer]) -> None:
        """Tell a sender of our lane its credit; any thread may call. A lost one is repeated."""
        with contextlib.suppress(LinkDownError):
            self._paths.tell(self._grant_address(sender), buffers)

    def take_credit(self, data: Buffer) -> None:
        """Take a grant, in a reader thread."""
        try:
            frame = frames.decode(data)
            if frame.meta.get("offers") is True:
                self._tell_client(frame.meta.get("client"))
                return
            grant = Grant.from_meta(frame.meta.get("grant"))
        except FrameError as error:
            self._stats.refused(error.code)
            return
        heard = self._hops.granted(grant)
        if "offers" in frame.meta and (lane := self._hops.address(grant.hop)) is not None:
            self._paths.offered(lane, frame.meta["offers"])
        for kept in heard.arrived:
            self._custody.settle(kept)
        for kept in heard.done:
            self._end(kept)
        self._lost(heard.lost)
        if self._sends_again:
            self._wake()

    def _tell_client(self, client: Any) -> None:
        """Tell a client that asks where it can connect to for its answers."""
        if self.answering is not None and is_id(client):
            meta = {**self.answering.offers(client), "device": self._stage.device}
            told = frames.encode(self._credit_frame(meta))
            with contextlib.suppress(LinkDownError):
                self._paths.tell(self._client_address(client), told)

    def leave(self) -> None:
        """Tell the next stage that nothing more comes from us."""
        for peer in self._stage.downstream:
            address = self._stage.next_address(peer)
            meta = {"hop": list(self._hops.position(address)), "leaves": True}
            self._try_send(address, self._credit_frame(meta))

    def forward(
        self, frame: Frame, deadline_ns: int | None, upstream: Position | None = None
    ) -> int | None:
        """Send a frame to the next stage or its client; waits for credit.

        Args:
            frame: A client's, to be kept until it has arrived; it owns its tensors.
            deadline_ns: When it is given up, in monotonic nanoseconds.
            upstream: Where it came from: settled when it has arrived or ended.

        Returns:
            Its size in bytes; None: given up, and its client is told.
        """
        key = FrameKey(frame.meta["client"], frame.stream, frame.sequence)
        kept = Kept(frame, key, frames.reckoned_bytes(frame), deadline_ns, upstream)
        late = deadline_ns is not None and time.monotonic_ns() >= deadline_ns
        if not (self._again or self._alone or self._waiting or late) and self._sent(kept):
            return kept.size_bytes if kept.sent else None
        self._waiting.append(kept)
        heard = self._hops.heard
        while not self._flushed():
            self.tick()
            self._hops.wait(heard, _WAIT_SECONDS)
            heard = self._hops.heard
        return kept.size_bytes if kept.sent else None

    def tick(self) -> None:
        """Send what is due: frames again, errors left by other threads, probes.

        Called after each departure and now and then, by one thread at a time.
        """
        if self._for_broker and self._paths.broker_up:
            self._answers.extend(self._for_broker)
            self._for_broker.clear()
        now = time.monotonic()
        if now < self._look_at and not (self._sends_again or self._waiting or self._answers):
            return
        self._look_at = now + LOOK_SECONDS
        waiting = not self._flushed()
        due = self._hops.due(now, waiting=waiting, up=self._paths.up)
        self._lost(due.lost)
        for kept in due.unheard:
            self._custody.settle(kept)
        for address, position in due.probes:
            self._try_send(address, self._credit_frame({"hop": list(position)}))
        if self._paths.climb:
            self._climb(now)
        while self._answers:
            answer = self._answers.popleft()
            if not self._sent_answer(answer):
                self._for_broker.append(answer)

    def _climb(self, now: float) -> None:
        """Do what direct connections need; see `wire.direct.paths`."""
        for told in self._paths.tend(now, self._hops.suspects(now), self._hops.all_arrived):
            meta = {"hop": list(self._hops.position(told.address))}
            asked = {"offers": True} if told.offers else {}
            self._try_send(told.address, self._credit_frame(meta | asked))

    def _flushed(self) -> bool:
        """Send what waits, first what is sent again; False: something has to wait longer.

        What may end its receiver goes last of that, each behind the others' runs.
        """
        for queue in (self._again, self._alone, self._waiting):
            for kept in tuple(queue):  # one whose time is not over must not hold up the others
                hopeless = self._hopeless(kept)
                if hopeless is not None:
                    queue.remove(kept)
                    self._give_up(kept, *hopeless)
        while queue := self._again or self._alone or self._waiting:
            if self._sent(queue[0]):
                queue.popleft()
            elif self._stopping():
                queue.clear()  # whoever sent us these keeps them, and gives them to others
            else:
                return False
        return True

    def _hopeless(self, kept: Kept) -> tuple[str, str] | None:
        """Return code and sentence when a frame need not wait any longer."""
        if kept.is_late():
            if kept.lost_as is not None:
                return kept.lost_as, "lost by the next stage, and not sent again in time"
            why = self._paths.unreachable()
            code = link_names.NOT_DIRECT if why else "frame.deadline"
            self._stats.refused(code)
            late = "too late when it could be sent on"
            return code, f"no direct connection to {why}" if why else late
        if self._hops.never_fits(kept.size_bytes):
            return "frame.too_large", f"{kept.size_bytes} bytes are more than stage takes"
        if self._paths.never_broker and self._is_last and self._client_is_away(kept):
            text = "its client has no direct connection here, and none else may be used"
            return link_names.NOT_DIRECT, text
        return None

    def _client_is_away(self, kept: Kept) -> bool:
        """Whether an answer waits for a direct connection that its client does not make."""
        if kept.tells_an_error or kept.key is None or self.answering is None:
            return False
        return self.answering.misses(kept.key.client, time.monotonic())

    def _sent(self, kept: Kept) -> bool:
        """Send a frame; False: the next stage has no room for it."""
        if self._is_last or kept.tells_an_error:
            return self._sent_to_client(kept)
        if not self._paths.up:
            return False
        if self._paths.some_ready:
            now = time.monotonic()
            self._paths.switch_ready(now, self._hops.all_arrived)
            if self._paths.hold(now):
                return False
        taken = self._hops.take(kept, kept.size_bytes, alone=kept.alone, reached=self._reached)
        if taken is None:
            return False
        self._send(taken.address, kept, taken.position, taken.forgotten)
        return True

    def _sent_to_client(self, kept: Kept) -> bool:
        """Send an answer, directly or by the broker; False: neither can be used now."""
        if kept.key is None:
            return self._paths.broker_up
        address = self._client_address(kept.key.client)
        direct = self._direct(address)
        if direct is None and (
            not self._paths.broker_up or (self._paths.never_broker and not kept.tells_an_error)
        ):
            return False
        directly = direct is not None
        sent = self._hops.sent_to_client(address, kept, kept.size_bytes, directly=directly)
        self._send(address, kept, *sent, direct)
        return True

    def _direct(self, address: str) -> Connection | None:
        """Return the connection that a client's answers go by; None: they go by the broker."""
        answering = self.answering
        return None if answering is None else answering.to(address, self._may_change)

    def _may_change(self, address: str) -> bool:
        """Whether nothing is on its way to a client, or lost, and then it is sent again anyway."""
        alone = self._paths.never_broker or not self._paths.broker_up
        return alone or self._hops.nothing_on_its_way_to_client(address)

    def _send(
        self,
        address: str,
        kept: Kept,
        position: Position,
        forgotten: list[Kept],
        direct: Connection | None = None,
    ) -> None:
        frame = kept.frame
        assert frame is not None, "what waits is whole"
        self._custody.keep(kept)
        for old in forgotten:
            self._end(old)
        left_ms = NO_DEADLINE
        if kept.deadline_ns is not None:
            left_ms = max(0, (kept.deadline_ns - time.monotonic_ns()) // 1_000_000)
        meta = {**frame.meta, "hop": list(position)}
        leaving = msgspec.structs.replace(frame, deadline_ms=left_ms, meta=meta)
        try:
            buffers = frames.encode(leaving)
            if direct is not None:
                direct.send(buffers)
            elif kept.tells_an_error:
                self._paths.tell(address, buffers)
            else:
                self._paths.send(address, buffers)
        except LinkDownError:
            pass  # its position is spent all the same: the receiver will see the gap
        except FrameError as error:
            self._give_up(kept, error.code, str(error))
            kept.frame = kept.key = None
            return
        kept.sent = True

    def _lost(self, lost: list[Lost]) -> None:
        for loss in lost:
            kept: Kept = loss.key
            self._custody.let_go(kept)
            if kept.lost(loss):
                self._stats.sent_again()
                (self._alone if loss.alone else self._again).append(kept)
            else:
                where = "the next stage" if loss.code == "worker.lost" else "the link"
                self._give_up(kept, loss.code, f"lost by {where}; send it again")

    def _give_up(self, kept: Kept, code: str, message: str) -> None:
        if not kept.tells_an_error:
            self._leave(kept.key, code, message)
        self._end(kept)

    def _end(self, kept: Kept) -> None:
        self._custody.let_go(kept)
        self._custody.settle(kept)

    def _leave(self, key: FrameKey | None, code: str, message: str) -> None:
        if key is not None:
            self._answers.append(Answer(key, code, message[:MAX_MESSAGE_CHARACTERS]))

    def _sent_answer(self, answer: Answer) -> bool:
        """Send an error; False: it has to wait for the link."""
        lane = self._stage.lane
        error = {
            "code": answer.code,
            "message": answer.message,
            "stage": lane.stage,
            "device": self._stage.device,
        }
        frame = Frame(
            Kind.ERROR,
            answer.key.stream,
            answer.key.sequence,
            generation=lane.generation,
            stage=lane.stage,
            meta={"client": answer.key.client, "error": error},
        )
        kept = Kept(frame, answer.key, frames.HEAD_BYTES, tells_an_error=True)
        sent = self._sent_to_client(kept)
        if sent:
            self._stats.failed(answer.code)
        return sent

    def _credit_frame(self, meta: dict[str, Any]) -> Frame:
        lane = self._stage.lane
        return Frame(Kind.CREDIT, 0, 0, generation=lane.generation, stage=lane.stage, meta=meta)

    def _try_send(self, address: str, frame: Frame) -> None:
        direct = self._direct(address)
        with contextlib.suppress(LinkDownError):
            if direct is not None:
                direct.send(frames.encode(frame))
            else:
                self._paths.tell(address, frames.encode(frame))
