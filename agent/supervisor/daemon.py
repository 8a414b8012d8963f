"""The agent's supervisor: brings what is desired and what is there together, and says so.

One event loop. Blocking work (downloads, fsync) runs in threads; a worker's life is an
`AssignmentRun`; every decision is made by the pure modules that this one calls.
"""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from agent import journal, journal_file, reconcile
from agent.artifacts.fetch import Fetcher
from agent.artifacts.origin import Origin
from agent.channel import BrokerAccess, Load
from agent.config import Config
from agent.lifecycle import AT_REST, Event, State
from agent.outcome import Outcome
from agent.supervisor import commands, self_knowledge, state_folder, worker_process
from agent.supervisor.assignment_run import AssignmentRun
from agent.supervisor.control import Control
from agent.supervisor.telemetry import Telemetry
from agent.supervisor.trusted import trusted_keys
from wire import plugins, signing
from wire.errors import CodedError
from wire.manifest import files_digest
from wire.messages import Assignment, Command, Desired, Reason, Reported, Response, StageLatency

log = structlog.get_logger()

GATHER_SECONDS: Final = 0.05
"""Changes within so long are reported together."""
MAX_UNFINISHED_RESTARTS: Final = 5
"""An assignment that was never served in so many starts of the agent has failed."""


class Supervisor:
    """One device's agent. Made inside a running event loop."""

    def __init__(self, config: Config) -> None:
        self.start_seconds = config.runtime.start_seconds
        self.silence_seconds = config.runtime.silence_seconds
        self.worker_command: Sequence[str] = worker_process.COMMAND
        self._config = config
        self._keys = trusted_keys(config.trust.keys)
        self._state = state_folder.opened(
            config.state_folder, store_bytes=config.limits.store_bytes
        )
        self._folder = self._state.path
        self._journal = self._state.journal
        self._refused: Reason | None = None
        if self._state.problem is not None:
            problem = self._state.problem
            self._refused = Reason(code=problem.code, message=str(problem))
        self._known = reconcile.Known(
            self._journal.epoch, self._journal.revision, self._journal.generations
        )
        self._fetcher = Fetcher(
            self._state.store, Origin(config.artifacts.origin, ca_file=config.artifacts.ca_file)
        )
        self._runs: dict[str, AssignmentRun] = {}
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._crash: BaseException | None = None
        self._applied = (0, 0)
        self._info: Any = None
        self._control = Control(
            config,
            self._journal.start_counter,
            on_desired=self._desired,
            on_command=self._command,
            on_up=self._say_everything,
        )
        self._telemetry = Telemetry(config, self._control, self._latencies, self._problems)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        log.info(
            "agent.started",
            device=self._config.device,
            start=self._journal.start_counter,
            state_folder=str(self._folder),
        )
        if not self._keys:
            log.warning(
                "trust.found_empty", effect="every order is refused: list a key in trust.keys"
            )
        self._resume()
        self._control.start()
        tasks = [
            asyncio.create_task(call)
            for call in (self._prove(), self._report(), self._telemetry.run())
        ]
        for task in tasks:
            task.add_done_callback(self._background_ended)
        await self._stopping.wait()
        log.info("agent.stopping", assignments=len(self._runs))
        await asyncio.gather(*(run.shut_down() for run in self._runs.values()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
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

    def fetch(self, assignment: Assignment, cancel: threading.Event) -> Path:
        """Return the folder of the complete segment; blocks."""
        folder = self._fetcher.obtain(assignment.segment, assignment.files, cancel=cancel)
        return Path(folder)

    def load_order(self, assignment: Assignment, folder: Path) -> Load:
        """Return what to tell the worker."""
        broker = self._config.data_broker or self._config.broker
        limits, own = assignment.limits, self._config.limits
        username = broker.username
        if username is None and broker.password_file is not None:
            username = self._config.device
        return Load(
            device=self._config.device,
            site=self._config.site,
            root=self._config.root,
            assignment=assignment,
            folder=folder,
            broker=BrokerAccess(
                url=broker.url,
                username=username,
                password_file=broker.password_file,
                ca_file=broker.ca_file,
                max_packet_bytes=broker.max_packet_bytes,
            ),
            threads=limits.threads or self._config.runtime.threads or len(os.sched_getaffinity(0)),
            weights=self._config.runtime.weights,
            inbox_frames=min(limits.inbox_frames or own.inbox_frames, own.inbox_frames),
            inbox_bytes=min(limits.inbox_bytes or own.inbox_bytes, own.inbox_bytes),
            max_frame_bytes=own.max_frame_bytes,
            memory_bytes=_least(limits.memory_bytes, own.worker_memory_bytes),
        )

    def changed(self, run: AssignmentRun) -> None:
        """Note an assignment's progress; a released one is forgotten."""
        key = run.assignment.key
        if run.state is State.RELEASED:
            self._runs.pop(key, None)
            if key in (self._known.assignments or {}):  # it was wanted again while it drained
                asyncio.get_running_loop().call_soon(self._start_missing)
        self._keep(
            journal.progressed(
                self._journal, key, run.state.value, serving=run.state is State.SERVING
            )
            if key in self._runs
            else journal.keeping(self._journal, self._runs)
        )
        self._changed.set()

    # desired state

    def _desired(self, payload: bytes) -> None:
        if not payload:
            return  # an empty payload is never an order
        try:
            wanted = self._accept(payload)
        except CodedError as error:
            self._refused = Reason(code=error.code, message=str(error))
            log.warning("desired.refused", code=error.code, error=str(error))
            self._changed.set()
            return
        self._refused = None
        self._reconcile(wanted)
        self._changed.set()

    def _accept(self, payload: bytes) -> Mapping[str, Assignment]:
        """Check a desired state and remember it on disk; returns what is wanted now."""
        desired = signing.verified_desired(payload, self._keys)
        self._check(desired, self._known)
        known = reconcile.remembered(desired, self._known)
        text = payload.decode()
        if text != self._journal.desired:
            accepted = journal.accepted(
                self._journal,
                text,
                epoch=known.epoch,
                revision=known.revision,
                generations={
                    pipeline: known.generations[pipeline]
                    for pipeline in {a.pipeline for a in desired.assignments}
                },
            )
            journal_file.save(self._folder, accepted)
            self._journal = accepted
            log.info(
                "desired.accepted",
                epoch=known.epoch,
                revision=known.revision,
                assignments=sorted(known.assignments or {}),
            )
        self._known = known
        return known.assignments or {}

    def _check(self, desired: Desired, known: reconcile.Known) -> None:
        runtimes = plugins.names("agent.runtimes")
        reconcile.check(desired, self._config.site, self._config.device, known, runtimes)

    def _reconcile(self, wanted: Mapping[str, Assignment]) -> None:
        present = {key: run.state for key, run in self._runs.items()}
        plan = reconcile.plan(wanted, present)
        for assignment in plan.start:
            run = AssignmentRun(assignment, self)
            self._runs[assignment.key] = run
            run.post(Event.STARTED)
        for key in plan.revoke:
            self._runs[key].post(Event.REVOKED)

    def _start_missing(self) -> None:
        if not self._stopping.is_set():
            self._reconcile(self._known.assignments or {})

    def _resume(self) -> None:
        """Take up what the journal holds: the broker need not be there for it."""
        if self._journal.desired is None:
            return
        payload = self._journal.desired.encode()
        before = self._journal.assignments
        try:
            desired = signing.verified_desired(payload, self._keys)
            self._check(desired, reconcile.Known())  # it may have been another device's folder
        except CodedError as error:
            self._refused = Reason(code=error.code, message=str(error))
            log.warning("desired.refused", code=error.code, error=str(error), source="journal")
            return
        self._known = reconcile.remembered(desired, self._known)
        wanted = self._known.assignments or {}
        kept = journal.keeping(self._journal, wanted)
        for key, assignment in wanted.items():
            run = AssignmentRun(assignment, self, _resumed_state(before.get(key)))
            if run.state is State.FAILED:
                text = "it had failed when the agent was started again; deploy it again"
                run.reason = Reason(code="assignment.failed_before", message=text)
            self._runs[key] = run
            if key in kept.assignments:
                kept = journal.restarted(kept, key)
                tries = kept.assignments[key].restarts_without_serving
                if tries > MAX_UNFINISHED_RESTARTS:
                    run.state = State.FAILED
                    text = f"not served in {tries} starts of the agent"
                    run.reason = Reason(code="agent.restarted_often", message=text)
        self._keep(kept)
        for run in list(self._runs.values()):
            run.post(Event.STARTED if run.state is State.ASSIGNED else Event.RESTARTED)

    def _keep(self, changed: journal.Journal) -> None:
        """Save the journal; when the disk refuses, what runs goes on and the reason is said."""
        if changed == self._journal:
            return
        self._journal = changed
        try:
            journal_file.save(self._folder, changed)
        except journal_file.JournalError as error:
            self._refused = Reason(code=error.code, message=str(error))
            log.error("journal.not_saved", error=str(error))

    # what is said

    def _say_everything(self) -> None:
        self._control.say_status()
        if self._info is not None:
            self._control.say_info(self._info)
        self._control.say_reported(self._reported())

    async def _prove(self) -> None:
        runtimes = await self_knowledge.proved_runtimes()
        self._info = self_knowledge.info(self._config, runtimes)
        if self._control.up:
            self._control.say_info(self._info)

    async def _report(self) -> None:
        """Say ``reported`` whenever something changed."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._changed.clear()
            if all(run.state in AT_REST for run in self._runs.values()):
                self._applied = (self._known.epoch, self._known.revision)
                await asyncio.to_thread(self._forget_segments)
            if self._control.up:
                self._control.say_reported(self._reported())

    def _reported(self) -> Reported:
        return Reported(
            device=self._config.device,
            session=self._control.session_number,
            observed=(self._known.epoch, self._known.revision),
            applied=self._applied,
            assignments=tuple(run.reported() for run in self._runs.values()),
            refused=self._refused,
        )

    def _forget_segments(self) -> None:
        """Remove segments and downloads that no assignment needs any more; blocks.

        What is wanted is read here, in the thread that deletes: what was assigned meanwhile stays.
        """
        wanted = (self._known.assignments or {}).values()
        needed = {files_digest(assignment.files) for assignment in wanted}
        partial = {file.sha256 for assignment in wanted for file in assignment.files}
        with contextlib.suppress(CodedError):  # the next change tries again
            self._state.store.keep_only(needed, partial)

    def _latencies(self) -> list[StageLatency]:
        return [run.latency for run in self._runs.values() if run.latency is not None]

    def _problems(self) -> tuple[Reason, ...]:
        found = [self._refused] if self._refused else []
        for run in self._runs.values():
            if run.outcome in {Outcome.FAILING, Outcome.INCONSISTENT} or run.state is State.FAILED:
                message = run.reason.message if run.reason else run.outcome.value
                code = run.reason.code if run.reason else "assignment.failing"
                found.append(Reason(code=code, message=f"{run.assignment.key}: {message}"))
        return tuple(found)

    def _command(self, command: Command) -> Response:
        obeys = self._known.assignments is not None
        return commands.answer(
            command,
            unix_ns=time.time_ns(),
            obeyed=self._journal.desired if obeys else None,
            watch=self._telemetry.watch,
        )


def _least(asked: int | None, own: int | None) -> int | None:
    """Return the smaller of two limits; None: there is none."""
    return min((limit for limit in (asked, own) if limit is not None), default=None)


def _resumed_state(progress: journal.Progress | None) -> State:
    """Return the state that a journalled assignment was in; unknown names begin again."""
    if progress is None or progress.state not in set(State):
        return State.ASSIGNED
    state = State(progress.state)
    # what was draining or gone is wanted again: the newest desired state lists it
    return State.ASSIGNED if state in {State.DRAINING, State.RELEASED} else state
