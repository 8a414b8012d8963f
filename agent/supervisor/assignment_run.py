"""One assignment carried through its life: performs the effects of `agent.lifecycle`."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import structlog
from msgspec.structs import replace

from agent.artifacts.fetch import Hindered
from agent.artifacts.fetch_errors import ArtifactUnreachableError, FetchCancelledError
from agent.channel import CloseInput, Load, OpenInput, UseAccelerator, Using, WarmUp
from agent.lifecycle import Effect, Event, State, advance
from agent.outcome import STEADY_SECONDS, Outcome, Sign, judge
from agent.recovery import Recovery
from agent.restarts import Losses
from agent.supervisor.accelerator_use import AcceleratorUse
from agent.supervisor.memory_limits import WorkerMemory
from agent.supervisor.worker_process import (
    NOT_STARTED,
    WorkerFailedError,
    WorkerLostError,
    WorkerProcess,
)
from wire.errors import CodedError
from wire.manifest import files_digest
from wire.messages import Assignment, Reason, ReportedAssignment
from wire.telemetry import StageLatency

log = structlog.get_logger()

LONGEST_RETRY_SECONDS: Final = 300.0
"""What failed for a reason that may pass is tried again after so long at most."""
OF_ACCELERATOR: Final = "accelerator."
"""How codes begin that say that a device may be put in again."""
DRAIN_SECONDS: Final = 12.0
"""A worker that has not drained after so long is ended."""


class Surroundings(Protocol):
    """What an assignment needs of its supervisor."""

    start_seconds: float
    silence_seconds: float
    retry_seconds: float
    """How long after its first failure an assignment is tried again, if the reason may pass."""
    worker_command: Sequence[str]
    recovery: Recovery
    """Of an accelerator that was never lost."""

    def fetch(self, assignment: Assignment, cancel: threading.Event, hindered: Hindered) -> Path:
        """Return the folder of the complete segment; blocks, called in a thread."""
        ...

    def load_order(self, assignment: Assignment, folder: Path) -> Load:
        """Return what to tell the worker."""
        ...

    def memory(self, assignment: Assignment) -> WorkerMemory:
        """Return what holds a worker to its memory limit."""
        ...

    def changed(self, run: "AssignmentRun") -> None:
        """Be told that state, reason or outcome changed."""
        ...


class AssignmentRun:
    """One assignment on this device."""

    def __init__(
        self, assignment: Assignment, around: Surroundings, state: State = State.ASSIGNED
    ) -> None:
        self.assignment = assignment
        self.state = state
        self.outcome = Outcome.PENDING
        self.reason: Reason | None = None
        self.losses = Losses()
        self.since_unix_ns = time.time_ns()
        self._around = around
        self._log = log.bind(assignment=assignment.key)
        self._worker: WorkerProcess | None = None
        self._folder: Path | None = None
        self._effects: asyncio.Task[None] | None = None
        self._retired: asyncio.Task[None] | None = None
        self.accelerator = AcceleratorUse(assignment, around.recovery)
        self._loaded = False
        self._steady: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._retries = 0
        self._shutting_down = False

    @property
    def latency(self) -> StageLatency | None:
        """The worker's newest counts, while it serves."""
        return self._worker.latency if self._worker else None

    @property
    def kept_state(self) -> State:
        """The state to take it up in when the agent is started again."""
        return State.ASSIGNED if self._retry is not None else self.state

    @property
    def pid(self) -> int | None:
        """The worker's process id, while there is one."""
        return self._worker.pid if self._worker else None

    def post(self, event: Event, reason: Reason | None = None, *, may_pass: bool = False) -> None:
        """Take an event: change the state, cancel what was under way, begin the new effects.

        ``may_pass``: the reason says nothing against the segment.
        """
        step = advance(self.state, event)
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if not may_pass:
            self._judge(event)
        if step.state is not self.state:
            self.since_unix_ns = time.time_ns()
        if event in {Event.FAILED, Event.WORKER_LOST}:
            self.reason = reason  # it stays until the worker has served steadily again
        self._log.info(
            "assignment.advanced",
            event_name=event.value,
            before=self.state.value,
            after=step.state.value,
            reason=reason.code if reason else None,
        )
        entered = step.state is not self.state or bool(step.effects)
        self.state = step.state
        before = self._effects
        if entered and before is not None and before is not asyncio.current_task():
            before.cancel()
        if step.effects:
            self._effects = asyncio.create_task(self._perform(step.effects, before))
        self._around.changed(self)

    async def settled(self) -> None:
        """Wait until no effect is under way."""
        while self._effects is not None and not self._effects.done():
            await asyncio.wait([self._effects])

    async def shut_down(self) -> None:
        """Drain and end the worker without changing the assignment's state: the agent stops."""
        self._shutting_down = True
        for timer in (self._steady, self._retry):
            if timer is not None:
                timer.cancel()
        if self._effects is not None and not self._effects.done():
            self._effects.cancel()
            await asyncio.wait([self._effects])
        if self._worker is not None and self.state is State.SERVING:
            await self._close_input(self._worker)
        await self._unload()

    def reported(self) -> ReportedAssignment:
        """Return what is said of it on ``reported``."""
        using = self.accelerator.using if self._loaded else None
        return ReportedAssignment(
            pipeline=self.assignment.pipeline,
            generation=self.assignment.generation,
            stage=self.assignment.stage,
            segment=self.assignment.segment,
            phase=self.state.value,
            outcome=self.outcome.value,
            digest=files_digest(self.assignment.files),
            runtime_asked=self.assignment.runtime,
            runtime_actual=using.runtime if using else None,
            accelerator_actual=using.accelerator if using else "",
            degraded=self.accelerator.degraded,
            restarts=self.losses.total,
            reason=self.reason,
            since_unix_ns=self.since_unix_ns,
            pid=self.pid,
        )

    def _judge(self, event: Event) -> None:
        sign = _SIGNS.get(event)
        if sign is not None:
            self.outcome = judge(self.outcome, sign)
        if self._steady is not None:
            self._steady.cancel()
            self._steady = None
        if event is Event.OPENED and not self.losses.total:
            self.reason, self._retries = None, 0
        elif event is Event.OPENED:
            loop = asyncio.get_running_loop()
            self._steady = loop.call_later(STEADY_SECONDS, self._served_steadily)

    def _served_steadily(self) -> None:
        self.outcome = judge(self.outcome, Sign.STEADY)
        self.reason = None
        self._retries = 0
        self._around.changed(self)

    async def _perform(
        self, effects: tuple[Effect, ...], before: asyncio.Task[None] | None
    ) -> None:
        """Perform effects in order and post the event that the last one ends in."""
        if before is not None and before is not asyncio.current_task():
            await asyncio.wait([before])
        event: Event | None = None
        try:
            for effect in effects:
                event = await self._one(effect)
        except (FetchCancelledError, asyncio.CancelledError):
            raise
        except WorkerLostError as error:
            self._worker_lost(error)
            return
        except WorkerFailedError as error:
            reason = Reason(code=error.reason, message=error.message)
            self._failed(reason, may_pass=error.reason.startswith(OF_ACCELERATOR))
            return
        except CodedError as error:
            self._failed(Reason(code=error.code, message=str(error)), may_pass=error.retryable)
            return
        except Exception as error:  # noqa: BLE001 a bug in us must become a reason, not a silent stop
            self._log.exception("assignment.mishandled")
            text = f"{type(error).__name__}: {error}"
            self.post(Event.FAILED, Reason(code="internal", message=text))
            return
        if event is not None:
            self.post(event)

    async def _one(self, effect: Effect) -> Event | None:
        match effect:
            case Effect.FETCH:
                await self._fetch()
                return Event.FETCHED
            case Effect.LOAD:
                await self._load()
                return Event.LOADED
            case Effect.WARM_UP:
                await self._ordered().order(WarmUp())
                return Event.WARMED
            case Effect.OPEN_INPUT:
                await self._ordered().order(OpenInput())
                return Event.OPENED
            case Effect.CLOSE_INPUT:
                if self._worker is not None:
                    await self._close_input(self._worker)
                return Event.DRAINED if self.state is State.DRAINING else None
            case Effect.UNLOAD:
                await self._unload()
                return None

    async def _fetch(self) -> None:
        cancel, loop, before = threading.Event(), asyncio.get_running_loop(), self.reason

        def hindered(error: ArtifactUnreachableError) -> None:
            loop.call_soon_threadsafe(self._hindered, error, cancel)

        try:
            self._folder = await asyncio.to_thread(
                self._around.fetch, self.assignment, cancel, hindered
            )
        finally:
            cancel.set()
        self.reason = before

    def _hindered(self, error: ArtifactUnreachableError, ended: threading.Event) -> None:
        """Say what a fetch waits for, while it goes on."""
        if not ended.is_set():
            self.reason = Reason(code=error.code, message=str(error))
            self._around.changed(self)

    async def _load(self) -> None:
        await asyncio.sleep(self.losses.delay_seconds)
        assert self._folder is not None
        worker = WorkerProcess(
            lambda error: self._lost_while_idle(worker, error),
            start_seconds=self._around.start_seconds,
            silence_seconds=self._around.silence_seconds,
            command=self._around.worker_command,
            memory=self._around.memory(self.assignment),
            on_using=lambda using: self._uses(worker, using),
        )
        self._worker = worker
        self.accelerator.worker_started()
        await worker.start()
        order = self._around.load_order(self.assignment, self._folder)
        await worker.order(replace(order, without=self.accelerator.without))
        self._loaded = True

    async def _close_input(self, worker: WorkerProcess) -> None:
        try:
            await asyncio.wait_for(worker.order(CloseInput()), DRAIN_SECONDS)
        except (TimeoutError, WorkerLostError, WorkerFailedError) as error:
            self._log.warning("assignment.not_drained", error=str(error))

    async def _unload(self) -> None:
        worker, self._worker = self._worker, None
        self._loaded, self.accelerator.using = False, None
        if worker is not None:
            # what comes next may cancel this; the process must be gone all the same
            await asyncio.shield(asyncio.create_task(worker.end()))

    async def use_accelerator(self) -> None:
        """Have the worker use what was asked for again; it says what comes of it."""
        self.accelerator.ordered(time.monotonic())
        if self._worker is not None:
            with contextlib.suppress(WorkerLostError):  # its end is told elsewhere
                await self._worker.tell(UseAccelerator())

    def _uses(self, worker: WorkerProcess, using: Using) -> None:
        if worker is self._worker:
            self.accelerator.told(using, time.monotonic())
            self._around.changed(self)

    def _ordered(self) -> WorkerProcess:
        if self._worker is None:
            raise WorkerLostError("worker.lost", "has ended")
        return self._worker

    def _lost_while_idle(self, worker: WorkerProcess, error: WorkerLostError) -> None:
        """The process ended. While an order waits for its answer, that order's end says so."""
        busy = self._effects is not None and not self._effects.done()
        if worker is self._worker and not busy and not self._shutting_down:
            self._worker_lost(error)

    def _worker_lost(self, error: WorkerLostError) -> None:
        reason = Reason(code=error.reason, message=error.message)
        now = time.monotonic()
        self.accelerator.worker_ended(error, now)
        self.losses = self.losses.after(now, error.unseen_seconds)
        if self.state is not State.DRAINING and self.losses.given_up:
            text = f"{error.message}; {len(self.losses.at)} workers lost, given up"
            may_pass = error.reason == NOT_STARTED or error.reason.startswith(OF_ACCELERATOR)
            self._failed(Reason(code=error.reason, message=text), may_pass=may_pass)
        else:
            self.post(Event.WORKER_LOST, reason)

    def _failed(self, reason: Reason, *, may_pass: bool) -> None:
        """Fail; what may pass by itself is tried again, later each time."""
        self.post(Event.FAILED, reason, may_pass=may_pass)
        if may_pass and not self._shutting_down:
            delay = min(LONGEST_RETRY_SECONDS, self._around.retry_seconds * 2**self._retries)
            self._retries += 1
            self._retry = asyncio.get_running_loop().call_later(delay, self._try_again)
            self._around.changed(self)

    def _try_again(self) -> None:
        self._retry = None
        if self.state is State.FAILED:
            self.post(Event.STARTED)


_SIGNS: Final = {
    Event.OPENED: Sign.SERVED,
    Event.WORKER_LOST: Sign.LOST,
    Event.FAILED: Sign.GAVE_UP,
    Event.REVOKED: Sign.REVOKED,
}
