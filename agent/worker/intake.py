"""The reader side of a worker: each arriving frame is checked, counted, and queued or answered.

Runs in the link's reader thread. Nothing here sends a frame that has a position: answers are
left to `agent.worker.departures`, so that each hop's positions leave in order.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from agent.worker.inbox import Inbox, Waiting
from agent.worker.stage import Stage
from agent.worker.stats import Stats
from wire import link_names, tensors
from wire.buffers import Buffer
from wire.errors import CodedError, FrameError, LaneFullError, TensorSpecError
from wire.frame import Frame, Kind, decode
from wire.hop import Grant, Position
from wire.hop.receiver import MAX_SENDERS, HopReceiver
from wire.ids import is_id
from wire.reading import Work
from wire.sequence import SeenStreams
from wire.table import NO_TENSORS, Received, Table

_CREDIT: Final = Kind.CREDIT  # to look up an enum's member costs eight times as much
_DATA: Final = Kind.DATA
DUPLICATE: Final = "frame.duplicate"
MAX_FIRST: Final = 1024
"""Frames of which it is known where they came first; one that comes again has done so lately."""


class RefusedFrameError(CodedError):
    """A frame that is not run; its client is told."""

    code = "frame.refused"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        """The code that is counted and told."""
        self.message = message

    def __str__(self) -> str:
        return self.message


class Intake:
    """Checks what comes in on the lane.

    Args:
        stage: Where we are.
        receiver: The lane's credit.
        inbox: Where good frames wait.
        stats: What is counted.
        answer: Called with a refused frame, code and sentence; must not block.
        grant: Called with the sender's id and a grant to send; must not block for long.
        max_frame_bytes: Larger ones are refused.
    """

    def __init__(
        self,
        stage: Stage,
        receiver: HopReceiver,
        inbox: Inbox,
        stats: Stats,
        answer: Callable[[Frame, str, str], None],
        grant: Callable[[str, Grant], None],
        max_frame_bytes: int,
    ) -> None:
        self._stage = stage
        self._receiver = receiver
        self._inbox = inbox
        self._stats = stats
        self._answer = answer
        self._grant = grant
        self._max_frame_bytes = max_frame_bytes
        self._lock = threading.Lock()
        self._seen = SeenStreams(MAX_SENDERS)
        self._first: OrderedDict[tuple[int, int], Position] = OrderedDict()
        """By stream and sequence."""
        self._taken: Table | None = None
        """Of the last frame that was taken: the next one's is mostly the same."""
        self._taken_bytes = 0
        self._client: object = object()
        """Of the last frame that was a client's."""
        self._left: set[str] = set()
        self._only_direct = stage.assignment.transfer.entry == link_names.NEVER_BROKER
        self.closed = False
        """Whether our senders were told to send nothing more."""
        self.arrived_at = time.monotonic()
        """When the last frame came, in monotonic seconds."""
        self.asked = grant
        """Called in the place of ``grant`` when a sender asks how else it can reach us."""
        self.by_broker: Callable[[], bool] = lambda: False
        """Asked, where only direct frames are taken, how the present one came."""
        self.claim: Callable[[Waiting], Work | None] = lambda _: None
        """Asked for what runs a frame at once; None: it has to wait in the inbox."""

    @property
    def upstream_left(self) -> bool:
        """Whether every neighbour before us has said that nothing more comes from it."""
        return bool(self._stage.upstream) and self._left >= self._stage.upstream

    def close(self) -> None:
        """Tell every sender to send nothing more; what is on its way is taken."""
        self.closed = True
        with self._lock:
            last = self._receiver.close(time.monotonic())
        for sender, grant in last:
            self._tell(sender, grant)

    def take(self, data: Buffer, *, may_work: bool = False) -> Work | None:
        """Take one frame's bytes from the link.

        Returns:
            What runs it, if it can be run now and the caller ``may_work``.
        """
        received = time.monotonic_ns()
        size_bytes = memoryview(data).nbytes
        try:
            frame = decode(data, max_frame_bytes=self._max_frame_bytes)
            position = self._position(frame)
        except FrameError as error:
            self._stats.refused(error.code)
            return None
        if self._left:
            self._left.discard(position.sender)
        try:
            if frame.kind is _CREDIT:
                self._asked(frame, position)
            elif (waiting := self._arrived(frame, position, size_bytes, received)) is not None:
                work = self.claim(waiting) if may_work else None
                if work is None:
                    self._queue(waiting)
                return work
        except LaneFullError as error:
            self._stats.refused(error.code)
            if frame.kind is Kind.DATA:
                self._answer(frame, error.code, str(error))
        except Exception as error:
            if frame.kind is _DATA:  # else its sender would wait for it, and send nothing alone
                self._answer(frame, "internal", f"{type(error).__name__}: {error}")
                self.release(position, settled=True)
            raise
        return None

    def _asked(self, frame: Frame, position: Position) -> None:
        """Take a probe."""
        with self._lock:
            grant = self._receiver.probed(position, time.monotonic())
        self._tell(position.sender, grant, asks=frame.meta.get("offers") is True)
        if frame.meta.get("leaves") is True and position.sender in self._stage.upstream:
            self._left.add(position.sender)

    def _arrived(
        self, frame: Frame, position: Position, size_bytes: int, received: int
    ) -> Waiting | None:
        """Take any other frame; returns it if it is to be run."""
        now = self.arrived_at = time.monotonic()
        with self._lock:
            missed = self._receiver.frames_missed
            new = self._receiver.arrived(position, size_bytes, now)
            missed = self._receiver.frames_missed - missed
            overdue = self._receiver.overdue(position, now)
        if overdue is not None:
            self._tell(position.sender, overdue)
        if missed:
            self._stats.refused("link.lost", missed)
        if not new:
            self._stats.refused(DUPLICATE)
            return None
        try:
            decoded_bytes = self._check(frame, position)
        except RefusedFrameError as error:
            self._refuse(frame, position, error)
            return None
        self._stats.received(1, size_bytes)  # before: whoever is woken waits until we do nothing
        return Waiting(frame, position, size_bytes, received, decoded_bytes)

    def _queue(self, waiting: Waiting) -> None:
        if not self._inbox.put(waiting):
            self._stats.received(-1, -waiting.size_bytes)
            full = "the stage's inbox is full; send less at once"
            self._refuse(waiting.frame, waiting.position, RefusedFrameError("inbox.full", full))

    def release(self, position: Position, *, settled: bool) -> None:
        """A frame takes no more room here.

        Args:
            position: The frame's.
            settled: It is out of our hands, too; else ``settle`` is called later.
        """
        with self._lock:
            grant = self._receiver.released(position, time.monotonic(), settled=settled)
        if grant is not None:
            self._tell(position.sender, grant)

    def settle(self, position: Position) -> None:
        """A frame is out of our hands: its sender need not keep it any longer."""
        with self._lock:
            grant = self._receiver.settled(position, time.monotonic())
        if grant is not None:
            self._tell(position.sender, grant)

    def farewell(self) -> None:
        """Tell every sender what we have finished: it need not wait for us when it ends, too."""
        with self._lock:
            last = self._receiver.farewell(time.monotonic())
        for sender, grant in last:
            self._tell(sender, grant)

    def _tell(self, sender: str, grant: Grant, *, asks: bool = False) -> None:
        """Send a grant; what is larger than a frame may be is told, so it is never sent."""
        largest_bytes = min(grant.largest_bytes, self._max_frame_bytes)
        tell = self.asked if asks else self._grant
        tell(sender, grant._replace(largest_bytes=largest_bytes))

    def _refuse(self, frame: Frame, position: Position, error: RefusedFrameError) -> None:
        self._stats.refused(error.reason)
        if error.reason != DUPLICATE:
            self._answer(frame, error.reason, error.message)
        elif self._waits_with_first(frame, position):
            return  # sent again by one who had not heard that we have it, and who keeps it for us
        self.release(position, settled=True)

    def _waits_with_first(self, frame: Frame, position: Position) -> bool:
        first = self._first.get((frame.stream, frame.sequence))
        with self._lock:
            return first is not None and self._receiver.came_again(first, position)

    def _position(self, frame: Frame) -> Position:
        """Return the frame's position if its sender may send here."""
        position = Position.from_meta(frame.meta.get("hop"))
        upstream = self._stage.upstream
        if upstream:
            allowed = position.sender in upstream
        else:
            client = frame.meta.get("client", position.sender)
            allowed = position.sender == client
        if not allowed:
            raise FrameError(f"sender {position.sender!r} is no neighbour of this stage")
        return position

    def _check(self, frame: Frame, position: Position) -> int:
        """Check what belongs to the frame itself; returns what its tensors take once decoded.

        Raises:
            RefusedFrameError: It is not run.
        """
        lane = self._stage.lane
        client = frame.meta.get("client")
        if frame.kind is not _DATA or (client != self._client and not is_id(client)):
            raise RefusedFrameError("frame.malformed", "no data frame of a client")
        self._client = client
        if frame.generation != lane.generation or frame.stage != lane.stage:
            raise RefusedFrameError(
                "frame.wrong_generation",
                f"for generation {frame.generation}, stage {frame.stage} (here: {lane})",
            )
        if self._only_direct and self.by_broker():
            raise RefusedFrameError(
                link_names.NOT_DIRECT, "this stage takes no frame from the broker (--link direct)"
            )
        if not self._seen.first_time(frame.stream, frame.sequence):
            raise RefusedFrameError(DUPLICATE, f"sequence {frame.sequence} came twice")
        self._first[frame.stream, frame.sequence] = position
        if len(self._first) > MAX_FIRST:
            self._first.popitem(last=False)
        table = frame.tensors.table if isinstance(frame.tensors, Received) else NO_TENSORS.table
        if table is self._taken:
            return self._taken_bytes
        contract = self._stage.assignment.contract
        got = {name: (dtype, shape) for name, dtype, shape, _ in table.rows}
        try:
            tensors.check(f"stage {lane.stage}", contract.receives, got)
        except TensorSpecError as error:
            raise RefusedFrameError(error.code, str(error)) from error
        decoded_bytes = sum(tensors.size_bytes(dtype, shape) for dtype, shape in got.values())
        if decoded_bytes > self._max_frame_bytes:
            raise RefusedFrameError(
                "frame.too_large",
                f"{decoded_bytes} bytes once decoded (at most {self._max_frame_bytes})",
            )
        self._taken, self._taken_bytes = table, decoded_bytes
        return decoded_bytes
