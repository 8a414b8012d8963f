"""Signed requests to measure: one at a time, in a child, with what it came to said on ``rsp``.

What is measured runs below everything that serves (`agent.profiling.NICE`), within the memory limit
of a worker. Its segment is kept as long as it is measured.
"""

import asyncio
import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from agent import clock
from agent.admission import Admission, CommandReplayedError
from agent.refusals import Refusals
from agent.supervisor.child_report import ChildReportError
from agent.supervisor.link_run import link_run
from agent.supervisor.means import Means
from agent.supervisor.profile_run import profile_run
from wire.allocator import give_back
from wire.errors import CodedError, MessageError
from wire.measuring import (
    CANCEL,
    LISTENING,
    MAX_ROWS,
    PROFILE,
    ROWS_A_PAGE,
    TELL_SECONDS,
    Cancel,
    LinkOrder,
    Page,
    ProfileOrder,
    Progress,
    Told,
)
from wire.messages import Command, Reason, Response
from wire.profile_report import OperatorTime, ProfileReport

log = structlog.get_logger()

AGAIN_SECONDS: Final = 120.0
"""So long after its end, what a measurement came to is said again at a new connection; then it is
forgotten."""
REPEAT_SECONDS: Final = 1.0
"""What comes again makes it be said again so often at most: somebody may have recorded it."""
SCRATCH_FOLDER: Final = "measuring"
BEGINNING: Final = Progress(step="beginning")

Reply = Callable[[Response], None]


@dataclass(slots=True)
class _Run:
    """A measurement that runs, or ran last."""

    command: Command
    reply: Reply
    order: ProfileOrder | LinkOrder
    cancel: threading.Event = field(default_factory=threading.Event)
    progress: Progress = BEGINNING
    answers: tuple[Response, ...] = ()
    """What it came to; empty: it runs."""
    task: "asyncio.Task[tuple[Response, ...]] | None" = None


class Measurements:
    """What one device measures when it is asked to. Made inside a running event loop.

    Args:
        admission: Says which requests are obeyed.
        means: What a measurement needs of the agent.
        state_folder: Where the folder for temporary files is made.
        refusals: Counts what is not obeyed.
        ended: Called when a measurement has ended and its segment is needed no more.
    """

    def __init__(
        self,
        admission: Admission,
        means: Means,
        state_folder: Path,
        refusals: Refusals,
        ended: Callable[[], None],
    ) -> None:
        self._admission = admission
        self._means = means
        self._scratch = state_folder / SCRATCH_FOLDER
        self._refusals = refusals
        self._ended = ended
        self._run: _Run | None = None
        self._repeat_at = 0.0
        shutil.rmtree(self._scratch, ignore_errors=True)  # of an agent that was killed

    @property
    def needed(self) -> tuple[ProfileOrder, ...]:
        """What the store must keep for a measurement that runs."""
        run = self._run
        if run is None or run.answers or not isinstance(run.order, ProfileOrder):
            return ()
        return (run.order,)

    def take(self, payload: bytes, command: Command, reply: Reply) -> None:
        """Obey a request, or say why not; in the event loop."""
        try:
            admitted = self._admission.admit(
                payload, unix_ns=time.time_ns(), clock_believed=clock.believed()
            )
            self._obey(admitted, reply)
        except CommandReplayedError as error:
            self._refusals.count(error.code, str(error))
            self._repeat(error.command_id)
        except CodedError as error:
            reply(_refusal(command, error.code, str(error)))

    def say_again(self) -> None:
        """Say how far the newest measurement is: a connection may have taken it with it."""
        run = self._run
        if run is None:
            return
        if not run.answers:
            run.reply(_progress(run))
        for answer in run.answers:
            run.reply(answer)

    def _repeat(self, command_id: str) -> None:
        """Say again what is known of a request that came again: its asker may have missed it."""
        run, now = self._run, time.monotonic()
        if run is not None and run.command.id == command_id and now >= self._repeat_at:
            self._repeat_at = now + REPEAT_SECONDS
            self.say_again()

    async def stop(self) -> None:
        """Give up what runs; whoever asked is told."""
        if self._run is not None and self._run.task is not None:
            self._run.cancel.set()
            self._run.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._run.task

    def _obey(self, command: Command, reply: Reply) -> None:
        if command.command == CANCEL:
            self._cancel(_arguments(command, Cancel).id)
            reply(Response(id=command.id, ok=True))
            return
        order = _arguments(command, ProfileOrder if command.command == PROFILE else LinkOrder)
        if (busy := self._busy) is not None:
            reply(_refusal(command, "command.busy", busy))
            return
        self._run = run = _Run(command, reply, order)
        log.info("measurement.begun", request=command.id, command=command.command)
        run.task = asyncio.create_task(self._measure(run))
        run.task.add_done_callback(lambda task: self._over(run, task))

    @property
    def _busy(self) -> str | None:
        run = self._run
        if run is None or run.answers:
            return None
        return (
            f"it is measuring for another request ({run.command.command}, {run.progress.step});"
            " one at a time: ask again when that has ended"
        )

    def _cancel(self, command_id: str) -> None:
        run = self._run
        if run is not None and run.command.id == command_id and run.task is not None:
            run.cancel.set()
            run.task.cancel()

    async def _measure(self, run: _Run) -> tuple[Response, ...]:
        telling = asyncio.create_task(self._tell(run))
        try:
            return tuple(await self._answers(run))
        except (CodedError, ChildReportError) as error:
            return (_refusal(run.command, error.code, str(error)),)
        except OSError as error:
            text = f"the device has no room to measure ({error})"
            return (_refusal(run.command, "measurement.failed", text),)
        finally:
            telling.cancel()
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _over(self, run: _Run, task: "asyncio.Task[tuple[Response, ...]]") -> None:
        """Answer, also where it was given up before it began."""
        answers: tuple[Response, ...]
        if task.cancelled():
            answers = (_refusal(run.command, "measurement.cancelled", "it was given up"),)
        elif (error := task.exception()) is not None:
            log.error("measurement.failed", request=run.command.id, error=repr(error))
            answers = (_refusal(run.command, "internal", f"{type(error).__name__}: {error}"),)
        else:
            answers = task.result()
        run.answers = answers
        asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._forget, run)
        name, ok = run.command.command, answers[-1].ok
        log.info("measurement.ended", request=run.command.id, command=name, ok=ok)
        self._ended()
        for answer in answers:
            run.reply(answer)

    def _forget(self, run: _Run) -> None:
        if self._run is run:
            self._run = None
            give_back()  # a large model's tables

    async def _answers(self, run: _Run) -> Iterable[Response]:
        """Measure, and return all that is to be answered."""

        def progress(step: Progress) -> None:
            run.progress = step  # from the thread that fetches, too: one reference
            if step.step == LISTENING:
                run.reply(_progress(run))  # the other end waits for it

        self._scratch.mkdir(mode=0o700, exist_ok=True)
        if isinstance(run.order, LinkOrder):
            result = await link_run(run.order, self._means, self._scratch, progress)
            return (Response(id=run.command.id, ok=True, result=result),)
        report = await profile_run(run.order, self._means, self._scratch, run.cancel, progress)
        return _profile_answers(run.command, report)

    async def _tell(self, run: _Run) -> None:
        while True:
            run.reply(_progress(run))
            await asyncio.sleep(TELL_SECONDS)


def _arguments(command: Command, kind: type[Any]) -> Any:
    try:
        return msgspec.convert(command.arguments, kind)
    except msgspec.ValidationError as error:
        raise MessageError(f"command {command.command}", str(error)) from error


def _progress(run: _Run) -> Response:
    return Response(
        id=run.command.id, ok=True, final=False, result=msgspec.to_builtins(run.progress)
    )


def _profile_answers(command: Command, report: ProfileReport) -> Iterator[Response]:
    """Yield the pages of a report's tables, and then the rest of it."""
    tables = {"operators": report.operators, "kernels": report.kernels}
    for table, rows in tables.items():
        for page in _pages(table, rows[:MAX_ROWS]):
            yield Response(id=command.id, ok=True, final=False, result=msgspec.to_builtins(page))
    told = Told(
        operators=min(len(report.operators), MAX_ROWS),
        kernels=min(len(report.kernels), MAX_ROWS),
        left_out=sum(max(0, len(rows) - MAX_ROWS) for rows in tables.values()),
    )
    rest = msgspec.structs.replace(report, operators=(), kernels=())
    yield Response(
        id=command.id,
        ok=True,
        result={"report": msgspec.to_builtins(rest), "told": msgspec.to_builtins(told)},
    )


def _pages(table: str, rows: tuple[OperatorTime, ...]) -> Iterator[Page]:
    for first in range(0, len(rows), ROWS_A_PAGE):
        yield Page(table=table, first=first, rows=rows[first : first + ROWS_A_PAGE])  # type: ignore[arg-type]


def _refusal(command: Command, code: str, message: str) -> Response:
    return Response(id=command.id, ok=False, reason=Reason(code=code, message=message))
