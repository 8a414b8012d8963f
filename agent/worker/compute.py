"""The hot loop: take a frame, run the segment, send what comes out. One thread."""

import time
from collections.abc import Callable
from typing import Any, Final

import structlog

from agent import memory_limit
from agent.errors import RuntimeFailedError
from agent.runtimes import Runtime
from agent.worker.inbox import Inbox, Waiting
from agent.worker.intake import Intake
from agent.worker.outbound import Outbound
from agent.worker.stage import Stage
from agent.worker.stats import Stats
from wire import codecs, timings
from wire.errors import CodedError
from wire.frame import NO_DEADLINE, Frame, Kind, Tensor

log = structlog.get_logger()

IDLE_SECONDS: Final = 0.1
"""How long the loop sleeps at most, so that probes and errors leave in time."""


class Compute:
    """Runs frames from the inbox through the runtime.

    Args:
        stage: Where we are.
        runtime: The loaded segment; called from this thread alone.
        inbox: Frames that passed their checks, oldest first.
        intake: Told when a frame's room is free again.
        outbound: Where results go.
        stats: Counts and timings of this stage.
    """

    def __init__(
        self,
        stage: Stage,
        runtime: Runtime,
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
        self._makes = frozenset(spec.name for spec in stage.assignment.contract.outputs)
        self.busy = False

    def serve(self, finished: Callable[[], bool]) -> None:
        """Run frames until ``finished`` says that it is over."""
        while not finished():
            waiting = self._inbox.get(IDLE_SECONDS)
            if waiting is not None:
                self.busy = True
                self._one(waiting)
                self.busy = False
            self._outbound.tick()

    def _one(self, waiting: Waiting) -> None:
        started = time.monotonic_ns()
        frame = waiting.frame
        deadline_ns = _deadline_ns(waiting)
        try:
            if deadline_ns is not None and started >= deadline_ns:
                self._stats.refused("frame.deadline")
                self._outbound.answer(frame, "frame.deadline", "too late when its turn came")
            else:
                self._run(waiting, started, deadline_ns)
        except CodedError as error:
            self._outbound.answer(frame, error.code, str(error))
        except MemoryError:  # what the runtime keeps may be the reason: a new worker is due
            self._outbound.answer(frame, memory_limit.CODE, "no memory for its tensors")
            self._outbound.tick()
            raise
        except Exception as error:  # one frame's fault must not end the stage
            log.exception("frame.failed", stream=frame.stream, sequence=frame.sequence)
            self._outbound.answer(frame, "internal", f"{type(error).__name__}: {error}")
        finally:
            self._intake.release(waiting.position)

    def _run(self, waiting: Waiting, started: int, deadline_ns: int | None) -> None:
        arrays = codecs.arrays(waiting.frame)
        inputs = {name: arrays[name] for name in self._inputs}
        run = time.monotonic_ns()
        outputs = self._runtime.run(inputs)
        finished = time.monotonic_ns()
        tensors = self._tensors(waiting.frame, outputs)
        sent = time.monotonic_ns()
        entry = timings.StageTimes(
            stage=self._stage.lane.stage,
            device=self._stage.device,
            clock=self._stage.clock,
            received=waiting.received,
            started=started,
            run=run,
            finished=finished,
            sent=sent,
        )
        result = self._result(waiting.frame, tensors, entry, deadline_ns)
        size_bytes = self._outbound.forward(result, deadline_ns)
        if size_bytes is None:
            return
        self._stats.finished(
            size_bytes,
            queue=started - waiting.received,
            decode=run - started,
            run=finished - run,
            encode=sent - finished,
            send=time.monotonic_ns() - sent,
        )

    def _tensors(self, frame: Frame, outputs: Any) -> tuple[Tensor, ...]:
        """Return what the next frame carries: outputs, and inputs that are only passed on."""
        made = {name: outputs[name] for name in self._sends if name in outputs}
        encoded = {tensor.name: tensor for tensor in codecs.tensors(made)}
        passed = {tensor.name: tensor for tensor in frame.tensors}
        # what the segment shall make is never replaced by an input of the same name
        found = [(encoded if n in self._makes else passed).get(n) for n in self._sends]
        missing = [n for n, tensor in zip(self._sends, found, strict=True) if tensor is None]
        if missing:
            raise RuntimeFailedError("worker", f"no tensor {missing} came out of the segment")
        return tuple(tensor for tensor in found if tensor is not None)

    def _result(
        self,
        frame: Frame,
        tensors: tuple[Tensor, ...],
        entry: timings.StageTimes,
        deadline_ns: int | None,
    ) -> Frame:
        peer = self._stage.next
        left_ms = NO_DEADLINE
        if deadline_ns is not None:
            left_ms = max(0, (deadline_ns - entry.sent) // 1_000_000)
        return Frame(
            Kind.DATA if peer else Kind.RESULT,
            frame.stream,
            frame.sequence,
            generation=frame.generation,
            stage=peer.stage if peer else frame.stage,
            deadline_ms=left_ms,
            meta={**frame.meta, timings.KEY: timings.appended(dict(frame.meta), entry)},
            tensors=tensors,
        )


def _deadline_ns(waiting: Waiting) -> int | None:
    if waiting.frame.deadline_ms == NO_DEADLINE:
        return None
    return waiting.received + waiting.frame.deadline_ms * 1_000_000
