"""The hot loop: take frames, run the segment, send what comes out. One run at a time.

Whoever has the *turn* runs: the worker's main thread for frames that wait in the inbox, and, where
nothing waits and nobody runs, the reader thread of a frame that has come, with no word to anybody
(`wire.reading`). What came of a run leaves meanwhile (`agent.worker.departures`).
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
import structlog
from numpy.typing import NDArray

from agent import memory_limit
from agent.errors import RuntimeFailedError
from agent.runtimes import Runtime, Tensors
from agent.worker import batches
from agent.worker.departures import Departure, Departures
from agent.worker.engine import Engine
from agent.worker.inbox import Inbox, Waiting
from agent.worker.intake import Intake
from agent.worker.outbound import Outbound
from agent.worker.stage import Stage
from agent.worker.stats import Stats
from wire import codecs, timings
from wire.errors import CodedError
from wire.frame import NO_DEADLINE, Frame, Kind, Tensor
from wire.reading import Work
from wire.tensors import batch_dimension

log = structlog.get_logger()
T = TypeVar("T")

IDLE_SECONDS: Final = 0.1
"""How long the loop sleeps at most, so that probes and errors leave in time."""


class Compute:
    """Runs frames from the inbox through the runtime.

    Args:
        stage: Where we are.
        runtime: The loaded segment; called by who has the turn.
        inbox: Frames that passed their checks, oldest first.
        intake: Told when a frame's room is free again.
        outbound: Where results go.
        stats: Counts and timings of this stage.
    """

    def __init__(
        self,
        stage: Stage,
        runtime: Engine | Runtime,
        inbox: Inbox,
        intake: Intake,
        outbound: Outbound,
        stats: Stats,
    ) -> None:
        self._stage = stage
        self._runtime = runtime
        self._inbox = inbox
        self._intake = intake
        self._outbound = outbound
        self._stats = stats
        self._inputs = [spec.name for spec in stage.assignment.contract.inputs]
        self._sends = [spec.name for spec in stage.assignment.contract.sends]
        makes = {spec.name for spec in stage.assignment.contract.outputs}
        # what the segment shall make is never replaced by an input of the same name
        self._passes = [name for name in self._sends if name not in makes]
        batching = stage.assignment.batching
        contract = stage.assignment.contract
        can_batch = batch_dimension((*contract.inputs, *contract.outputs)) is not None
        self._max_frames = batching.max_frames if can_batch else 1
        self._max_wait_seconds = batching.max_wait_seconds if can_batch else 0.0
        self._waits_for_more = self._max_frames > 1 and self._max_wait_seconds > 0
        self._peer = next(iter(stage.downstream), None)
        self._kind = Kind.DATA if self._peer else Kind.RESULT
        self._codec = stage.assignment.transfer.codec if stage.downstream else codecs.DEFAULT
        self._turn = threading.Lock()
        self._departures = Departures(outbound, self._fail, inbox.wake)
        self._open = False
        self._failed: BaseException | None = None

    def serve(self, finished: Callable[[], bool]) -> None:
        """Run frames until ``finished`` says that it is over."""
        self._open = True
        try:
            while self._served(finished):
                self._inbox.wait(IDLE_SECONDS)
        finally:
            self._open = False
            self._departures.close()
            self._departures.tick()  # whoever was refused is told

    def claim(self, waiting: Waiting) -> Work | None:
        """Return what runs a frame at once, in whichever thread; None: it has to wait its turn.

        Nobody else runs anything until that was called.
        """
        if self._waits_for_more:
            return None
        work = partial(self._run_claimed, waiting)  # before: without memory the turn stays free
        if not self._turn.acquire(blocking=False):
            return None
        # another runtime may have taken over until the turn was ours
        closed = not self._open or self._failed is not None
        if self._inbox.frames or closed or not self._runtime.any_thread:
            self._turn.release()
            return None
        return work

    def _served(self, finished: Callable[[], bool]) -> bool:
        """Run what waits; False: it is over."""
        with self._turn:
            self._open = False  # also while it ends by what is raised here
            leaving = self._departures.busy  # asked first: nothing more begins to leave here
            if self._failed is not None:
                raise self._failed
            self._open = not finished()
            if not self._open:  # what waits in the inbox stays with who sent it
                self._departures.wait(IDLE_SECONDS)
                return leaving
            taken = self._inbox.take(self._max_frames, self._max_wait_seconds)
            if taken:
                self._take(taken)
            else:
                self._departures.tick()
            return True

    def _run_claimed(self, waiting: Waiting) -> None:
        try:
            self._leave(self._guarded(waiting, self._take_alone))
        except Exception as error:  # noqa: BLE001 the main thread raises it
            self._fail(error)
        finally:
            self._turn.release()

    def _fail(self, error: BaseException) -> None:
        """Let the main thread raise what another one met."""
        self._failed = error
        with contextlib.suppress(MemoryError):  # it looks by itself soon
            self._inbox.wake()

    def _leave(self, departure: Departure | None) -> None:
        """Let go what came of a run; None: nothing did, and its client is to be told."""
        if departure is None:
            self._departures.tick()
        else:
            self._departures.leave(departure, aside=self._inbox.frames > 0)

    def _take(self, taken: list[Waiting]) -> None:
        """Run frames, several at once where that works out, each ended or handed on alone."""
        if len(taken) == 1:  # the usual case: nothing to put together
            self._leave(self._guarded(taken[0], self._take_alone))
            return
        turns = [self._guarded(waiting, self._turn_of) for waiting in taken]
        ready = [turn for turn in turns if turn is not None]
        if not ready:
            self._leave(None)
        for first, end in batches.alike([turn.inputs for turn in ready]):
            group = ready[first:end]
            if len(group) == 1 or not self._ran_together(group):
                for turn in group:
                    self._leave(self._guarded(turn.waiting, partial(self._run_alone, turn)))

    def _turn_of(self, waiting: Waiting) -> "_Turn | None":
        """Return a frame whose turn it is; None: it has ended."""
        started = time.monotonic_ns()
        deadline_ns = None
        if waiting.frame.deadline_ms != NO_DEADLINE:
            deadline_ns = waiting.received + waiting.frame.deadline_ms * 1_000_000
        if deadline_ns is not None and started >= deadline_ns:
            self._stats.refused("frame.deadline")
            self._ended(waiting, "frame.deadline", "too late when its turn came")
            return None
        inputs = codecs.arrays(waiting.frame)
        if len(inputs) > len(self._inputs):  # some are only passed on
            inputs = {name: inputs[name] for name in self._inputs}
        return _Turn(waiting, inputs, started, deadline_ns)

    def _ran_together(self, turns: list["_Turn"]) -> bool:
        """Run several frames at once; False: none was run, each must be run alone."""
        counts = [batches.rows(turn.inputs) for turn in turns]
        if 0 in counts:
            return False
        run = time.monotonic_ns()
        try:
            outputs = self._runtime.run(batches.joined([turn.inputs for turn in turns]))
        except Exception:  # noqa: BLE001 one of them may be the reason, and tells it when run alone
            return False
        span = (run, time.monotonic_ns())
        parts = batches.parted(outputs, counts)
        if parts is None:
            return False
        self._stats.batched()
        self._leave(partial(self._hand_on_all, turns, parts, span))
        return True

    def _take_alone(self, waiting: Waiting) -> Departure | None:
        turn = self._turn_of(waiting)
        return None if turn is None else self._run_alone(turn, waiting)

    def _run_alone(self, turn: "_Turn", waiting: Waiting) -> Departure:
        run = time.monotonic_ns()
        outputs = self._runtime.run(turn.inputs)
        span = (run, time.monotonic_ns())
        return partial(self._guarded, waiting, partial(self._hand_on, turn, outputs, span, 1))

    def _guarded(self, waiting: Waiting, action: Callable[[Waiting], T]) -> T | None:
        """Do something with one frame, whose fault must not end the stage."""
        try:
            return action(waiting)
        except CodedError as error:
            self._ended(waiting, error.code, str(error))
        except MemoryError:  # what the runtime keeps may be the reason: a new worker is due
            self._ended(waiting, memory_limit.CODE, "no memory for its tensors")
            raise
        except Exception as error:
            frame = waiting.frame
            log.exception("frame.failed", stream=frame.stream, sequence=frame.sequence)
            self._ended(waiting, "internal", f"{type(error).__name__}: {error}")
        return None

    def _ended(self, waiting: Waiting, code: str, message: str) -> None:
        self._outbound.answer(waiting.frame, code, message)
        self._intake.release(waiting.position, settled=True)

    def _hand_on_all(
        self, turns: list["_Turn"], parts: Sequence[Tensors], span: tuple[int, int]
    ) -> None:
        for turn, part in zip(turns, parts, strict=True):
            self._guarded(turn.waiting, partial(self._hand_on, turn, part, span, len(turns)))

    def _hand_on(
        self,
        turn: "_Turn",
        outputs: Tensors,
        span: tuple[int, int],
        shared_by: int,
        waiting: Waiting,
    ) -> None:
        """Send what came out of a run: when it began and ended, and of how many frames it was."""
        leaving = time.monotonic_ns()
        run, finished = span
        tensors = self._tensors(waiting.frame, outputs)
        sent = time.monotonic_ns()
        entry = timings.StageTimes(
            stage=self._stage.lane.stage,
            device=self._stage.device,
            clock=self._stage.clock,
            received=waiting.received,
            started=turn.started,
            run=run,
            finished=finished,
            sent=sent,
            leaving=leaving,
        )
        result = self._result(waiting.frame, tensors, entry)
        size_bytes = self._outbound.forward(result, turn.deadline_ns, waiting.position)
        self._intake.release(waiting.position, settled=False)
        if size_bytes is None:
            return
        self._stats.finished(
            size_bytes,
            queue=turn.started - waiting.received + leaving - finished,
            decode=run - turn.started,
            run=(finished - run) // shared_by,
            encode=sent - leaving,
            send=time.monotonic_ns() - sent,
        )

    def _tensors(self, frame: Frame, outputs: Any) -> tuple[Tensor, ...]:
        """Return what the next frame carries: outputs, and inputs that are only passed on."""
        passed = codecs.passed_on(frame, self._passes, self._codec) if self._passes else {}
        made = outputs
        if self._passes or list(outputs) != self._sends:
            made = {n: outputs[n] for n in self._sends if n in outputs and n not in self._passes}
        encoded = codecs.tensors(made, self._codec)
        if len(encoded) == len(self._sends):
            return encoded
        found = passed | {tensor.name: tensor for tensor in encoded}
        missing = [name for name in self._sends if name not in found]
        if missing:
            raise RuntimeFailedError("worker", f"no tensor {missing} came out of the segment")
        return tuple([found[name] for name in self._sends])

    def _result(
        self, frame: Frame, tensors: tuple[Tensor, ...], entry: timings.StageTimes
    ) -> Frame:
        peer = self._peer
        meta = codecs.meta(frame.meta, self._codec)
        meta[timings.KEY] = timings.appended(frame.meta, entry)
        return Frame(
            self._kind,
            frame.stream,
            frame.sequence,
            generation=frame.generation,
            stage=peer.stage if peer else frame.stage,
            meta=meta,
            tensors=tensors,
        )


class _Turn(msgspec.Struct, frozen=True, eq=False):
    """A frame whose turn it is."""

    waiting: Waiting
    inputs: dict[str, NDArray[Any]]
    started: int
    deadline_ns: int | None
