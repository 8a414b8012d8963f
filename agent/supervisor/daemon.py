"""The agent's supervisor: brings what is desired and what is there together, and says so.

One event loop. Blocking work (downloads, fsync) runs in threads; a worker's life is an
`AssignmentRun`; every decision is made by the pure modules that this one calls.
"""

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from agent import clock, reconcile
from agent.admission import Admission
from agent.artifacts.fetch import Fetcher, Hindered
from agent.artifacts.origin import Origin
from agent.channel import Load
from agent.config import Config
from agent.lifecycle import AT_REST, Event, State
from agent.outcome import Outcome
from agent.probes import Worker
from agent.recovery import Recovery
from agent.refusals import Refusals
from agent.sd_notify import ServiceManager
from agent.supervisor import (
    accelerators,
    commands,
    data_access,
    direct_access,
    state_folder,
    worker_process,
)
from agent.supervisor.assignment_run import AssignmentRun
from agent.supervisor.control import Control
from agent.supervisor.doctor import Doctor
from agent.supervisor.means import Means, threads_of
from agent.supervisor.measurements import Measurements
from agent.supervisor.memory_limits import MemoryLimits, WorkerMemory
from agent.supervisor.orders import Orders
from agent.supervisor.own_info import OwnInfo
from agent.supervisor.telemetry import Telemetry
from wire import measuring
from wire.errors import CodedError
from wire.manifest import files_digest
from wire.messages import Assignment, Command, Reason, Reported, Response
from wire.telemetry import StageLatency

log = structlog.get_logger()

GATHER_SECONDS: Final = 0.05
"""Changes within so long are reported together."""
RETRY_SECONDS: Final = 5.0
"""The first wait before an assignment that failed is tried again, where that may help."""
JOURNAL_SECONDS: Final = 5.0
"""How long the journal is waited for at start and at the end; a slow disk stops neither."""


class Supervisor:
    """One device's agent. Made inside a running event loop.

    Args:
        config: Its configuration.
        arguments: The options that gave it, for a child that reads it again.
        manager: Who started it and wants to hear how it goes; None: nobody.
    """

    def __init__(
        self,
        config: Config,
        *,
        arguments: Sequence[str] = (),
        manager: ServiceManager | None = None,
    ) -> None:
        self.start_seconds = config.runtime.start_seconds
        self.silence_seconds = config.runtime.silence_seconds
        self.retry_seconds = RETRY_SECONDS
        self.worker_command: Sequence[str] = worker_process.COMMAND
        own = config.accelerator
        self.recovery = Recovery(own.look_seconds, own.stable_seconds)
        self._config = config
        self._manager = manager or ServiceManager()
        self._memory = MemoryLimits()
        self._state = state_folder.opened(
            config.state_folder, store_bytes=config.limits.store_bytes
        )
        self._start = self._state.journal.start_counter
        self._direct = direct_access.opened(config, self._state.path)
        self._fetcher = Fetcher(
            self._state.store, Origin(config.artifacts.origin, ca_file=config.artifacts.ca_file)
        )
        self._runs: dict[str, AssignmentRun] = {}
        self._changed = asyncio.Event()
        self._untidy = asyncio.Event()
        self._stopping = asyncio.Event()
        self._crash: BaseException | None = None
        self._applied = (0, 0)
        self._doctor = Doctor(arguments, self._degradations)
        self._refusals = Refusals()
        self._control = Control(
            config,
            self._start,
            self._refusals,
            on_desired=self._desired,
            on_command=self._command,
            on_up=self._say_everything,
        )
        self._orders = Orders(
            config,
            self._state,
            obey=self._reconcile,
            changed=self._changed.set,
            ask_again=self._control.ask_for_orders,
            refusals=self._refusals,
        )
        self._measurements = Measurements(
            Admission(self._orders.keys, self._control.instance),
            Means.of(config, self._fetcher, self._memory, self._direct.access, self._serving),
            self._state.path,
            self._refusals,
            self._untidy.set,
        )
        self._telemetry = Telemetry(
            config,
            self._control,
            stages=self._latencies,
            workers=self._workers,
            troubles=self._problems,
            warnings=self._degradations,
            counters=self._refusals.readings,
        )
        self._own_info = OwnInfo(
            config,
            self._memory.mechanism,
            self._direct.certificate,
            lost=lambda: accelerators.lost(self._runs.values()),
            say=self._control.say_info,
        )
        self._accelerators = accelerators.Accelerators(
            own.look_seconds, self._serving_runs, self._own_info.proved_anew
        )

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        log.info(
            "agent.started",
            device=self._config.device,
            start=self._start,
            state_folder=str(self._state.path),
            memory_limit=self._memory.mechanism.value,
            no_cgroup=self._memory.no_cgroup,
        )
        if not self._orders.keys:
            log.warning(
                "trust.found_empty", effect="every order is refused: list a key in trust.keys"
            )
        await self._resume()
        self._control.start()
        self._manager.ready(self._status_line())  # with or without a broker
        tasks = [
            asyncio.create_task(call)
            for call in (
                self._own_info.prove(),
                self._report(),
                self._tidy_up(),
                self._telemetry.run(),
                self._accelerators.run(),
                self._feed(),
            )
        ]
        for task in tasks:
            task.add_done_callback(self._background_ended)
        await self._stopping.wait()
        log.info("agent.stopping", assignments=len(self._runs))
        self._manager.stopping(f"draining {len(self._runs)}")
        await asyncio.gather(*(run.shut_down() for run in self._runs.values()))
        await self._doctor.stop()
        await self._measurements.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._orders.settle(JOURNAL_SECONDS)
        self._orders.stop()
        await self._control.stop()
        self._state.release()
        log.info("agent.stopped")
        if self._crash is not None:
            raise self._crash

    def _background_ended(self, task: "asyncio.Task[None]") -> None:
        """Stop when a background task ends by a fault: whoever started the agent starts it anew."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("agent.crashed", error=repr(error))
            self._crash = error
            self._stopping.set()

    # what an assignment needs (agent.supervisor.assignment_run.Surroundings)

    def fetch(self, assignment: Assignment, cancel: threading.Event, hindered: Hindered) -> Path:
        """Return the folder of the complete segment; blocks."""
        wanted = assignment
        return self._fetcher.obtain(wanted.segment, wanted.files, cancel=cancel, hindered=hindered)

    def load_order(self, assignment: Assignment, folder: Path) -> Load:
        """Return what to tell the worker."""
        limits, own = assignment.limits, self._config.limits
        return Load(
            device=self._config.device,
            site=self._config.site,
            root=self._config.root,
            assignment=assignment,
            folder=folder,
            broker=data_access.of(self._config),
            threads=limits.threads or threads_of(self._config),
            weights=self._config.runtime.weights,
            inbox_frames=min(limits.inbox_frames or own.inbox_frames, own.inbox_frames),
            inbox_bytes=min(limits.inbox_bytes or own.inbox_bytes, own.inbox_bytes),
            max_frame_bytes=own.max_frame_bytes,
            direct=self._direct.access,
            memory_bytes=self._memory.data_bytes(self._memory_bytes(assignment)),
            open_seconds=self.start_seconds,
            accelerator_run_seconds=self._config.accelerator.run_seconds,
            run_seconds=self._config.runtime.run_seconds,
        )

    def _serving(self) -> int:
        return sum(run.pid is not None for run in self._runs.values())

    def memory(self, assignment: Assignment) -> WorkerMemory:
        """Return what holds a worker to its memory limit."""
        return self._memory.worker(self._memory_bytes(assignment))

    def _memory_bytes(self, assignment: Assignment) -> int | None:
        limits = (assignment.limits.memory_bytes, self._config.limits.worker_memory_bytes)
        return min((limit for limit in limits if limit is not None), default=None)

    def changed(self, run: AssignmentRun) -> None:
        """Note an assignment's progress; a released one is forgotten."""
        key = run.assignment.key
        if run.state is State.RELEASED:
            self._runs.pop(key, None)
            if key in self._orders.assignments:  # it was wanted again while it drained
                asyncio.get_running_loop().call_soon(self._start_missing)
        if key in self._runs:
            self._orders.progressed(key, run.kept_state)
        else:
            self._orders.keep_only(self._runs)
        self._changed.set()

    # desired state

    def _desired(self, payload: bytes) -> None:
        self._orders.take(payload)

    def _reconcile(self, wanted: Mapping[str, Assignment]) -> None:
        if self._stopping.is_set():
            return
        present = {key: run.state for key, run in self._runs.items()}
        plan = reconcile.plan(wanted, present)
        for assignment in plan.start:
            run = AssignmentRun(assignment, self)
            self._runs[assignment.key] = run
            run.post(Event.STARTED)
        for key in plan.revoke:
            self._runs[key].post(Event.REVOKED)

    def _start_missing(self) -> None:
        self._reconcile(self._orders.assignments)

    async def _resume(self) -> None:
        """Take up what the journal holds: the broker need not be there for it."""
        for assignment, state, reason in self._orders.resume():
            run = AssignmentRun(assignment, self, state)
            run.reason = reason
            self._runs[assignment.key] = run
        await self._orders.settle(JOURNAL_SECONDS)
        for run in list(self._runs.values()):
            run.post(Event.STARTED if run.state is State.ASSIGNED else Event.RESTARTED)

    # what is said

    async def _feed(self) -> None:
        """Feed the watchdog: from here alone, so a loop that hangs is started anew."""
        while (seconds := self._manager.feed_seconds) is not None:
            self._manager.alive(self._status_line())
            await asyncio.sleep(seconds)

    def _status_line(self) -> str:
        broker = "connected" if self._control.up else "not connected"
        return f"serving {len(self._serving_runs())} of {len(self._runs)}, broker {broker}"

    def _say_everything(self) -> None:
        self._manager.status(self._status_line())
        self._control.say_status()
        self._own_info.say_again()
        self._control.say_reported(self._reported())
        self._measurements.say_again()

    async def _report(self) -> None:
        """Say ``reported`` whenever something changed."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._changed.clear()
            self._manager.status(self._status_line())
            self._own_info.say_news()
            if all(run.state in AT_REST for run in self._runs.values()):
                self._applied = self._observed
                self._untidy.set()
            if self._control.up:
                self._control.say_reported(self._reported())

    def _reported(self) -> Reported:
        return Reported(
            device=self._config.device,
            session=self._control.session_number,
            observed=self._observed,
            applied=self._applied,
            assignments=tuple(run.reported() for run in self._runs.values()),
            refused=self._orders.refused,
        )

    @property
    def _observed(self) -> tuple[int, int]:
        return self._orders.known.epoch, self._orders.known.revision

    async def _tidy_up(self) -> None:
        """Remove what is no longer needed; a disk that is slow at it holds up nothing else."""
        while True:
            await self._untidy.wait()
            self._untidy.clear()
            await asyncio.to_thread(self._forget_segments)

    def _forget_segments(self) -> None:
        """Remove segments and downloads that no assignment needs any more; blocks.

        What is wanted is read here, in the thread that deletes: what was assigned meanwhile stays.
        """
        wanted = [assignment.files for assignment in self._orders.assignments.values()]
        wanted += [order.files for order in self._measurements.needed]
        needed = {files_digest(files) for files in wanted}
        partial = {file.sha256 for files in wanted for file in files}
        with contextlib.suppress(CodedError):  # the next change tries again
            self._state.store.keep_only(needed, partial)

    def _latencies(self) -> list[StageLatency]:
        return [run.latency for run in self._runs.values() if run.latency is not None]

    def _workers(self) -> list[Worker]:
        return [
            Worker(
                run.pid, run.assignment.pipeline, run.assignment.generation, run.assignment.stage
            )
            for run in self._runs.values()
            if run.pid is not None
        ]

    def _problems(self) -> tuple[Reason, ...]:
        told = (self._orders.refused, self._orders.problem, self._control.problem)
        found = list(dict.fromkeys(filter(None, told)))
        for run in self._runs.values():
            if run.outcome in {Outcome.FAILING, Outcome.INCONSISTENT} or run.state is State.FAILED:
                message = run.reason.message if run.reason else run.outcome.value
                code = run.reason.code if run.reason else "assignment.failing"
                found.append(Reason(code=code, message=f"{run.assignment.key}: {message}"))
        return tuple(found)

    def _degradations(self) -> tuple[Reason, ...]:
        found = [(run.assignment.key, run.accelerator.degraded) for run in self._runs.values()]
        return tuple(
            Reason(code=why.code, message=f"{key}: {why.message}") for key, why in found if why
        )

    def _serving_runs(self) -> list[AssignmentRun]:
        return [run for run in self._runs.values() if run.state is State.SERVING]

    def _command(self, command: Command, payload: bytes, reply: Callable[[Response], None]) -> None:
        if command.command in measuring.SIGNED:
            self._measurements.take(payload, command, reply)
            return
        response = commands.answer(
            command,
            unix_ns=time.time_ns(),
            clock_believed=clock.believed(),
            obeyed=self._orders.obeyed,
            watch=self._telemetry.watch,
            examine=lambda: self._doctor.begin(
                lambda outcome: reply(commands.examined(command, outcome))
            ),
        )
        if response is not None:
            reply(response)
