"""Signed requests to measure: one at a time, in a child, with what it came to said on ``rsp``.

What is measured runs below everything that serves (`agent.profiling.NICE`), within the memory limit
of a worker. Its segment is kept as long as it is measured.
"""

import asyncio
import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from agent import clock
from agent.admission import Admission, CommandReplayedError
from agent.refusals import Refusals
from agent.supervisor.child_report import ChildReportError
from agent.supervisor.profile_run import Means, profile_run
from wire.errors import CodedError, MessageError
from wire.measuring import (
    MAX_ROWS,
    ROWS_A_PAGE,
    TELL_SECONDS,
    Cancel,
    Page,
    ProfileOrder,
    Progress,
    Told,
)
from wire.messages import Command, Reason, Response
from wire.profile_report import OperatorTime, ProfileReport

log = structlog.get_logger()

AGAIN_SECONDS: Final = 120.0
"""So long after its end, what a measurement came to is said again at a new connection."""
SCRATCH_FOLDER: Final = "measuring"
BEGINNING: Final = Progress(step="beginning")

Reply = Callable[[Response], None]


@dataclass(slots=True)
class _Run:
    """A measurement that runs, or ran last."""

    command: Command
    reply: Reply
    cancel: threading.Event = field(default_factory=threading.Event)
    progress: Progress = BEGINNING
    answers: tuple[Response, ...] = ()
    """What it came to; empty: it runs."""
    ended_at: float = 0.0
    task: "asyncio.Task[None] | None" = None
    order: ProfileOrder | None = None


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
        shutil.rmtree(self._scratch, ignore_errors=True)  # of an agent that was killed

    @property
    def needed(self) -> tuple[ProfileOrder, ...]:
        """What the store must keep for a measurement that runs."""
        run = self._run
        return (run.order,) if run is not None and run.order is not None else ()

    def take(self, payload: bytes, command: Command, reply: Reply) -> None:
        """Obey a request, or say why not; in the event loop."""
        try:
            admitted = self._admission.admit(
                payload, unix_ns=time.time_ns(), clock_believed=clock.believed()
            )
            self._obey(admitted, reply)
        except CommandReplayedError as error:
            # whoever asked once gets one answer: this may be the broker's second copy
            self._refusals.count(error.code, str(error))
        except CodedError as error:
            reply(_refusal(command, error.code, str(error)))

    def say_again(self) -> None:
        """Say how far the newest measurement is: a connection may have taken it with it."""
        run = self._run
        if run is None:
            return
        if not run.answers:
            run.reply(_progress(run))
        elif time.monotonic() - run.ended_at < AGAIN_SECONDS:
            for answer in run.answers:
                run.reply(answer)

    async def stop(self) -> None:
        """Give up what runs; nobody is answered."""
        if self._run is not None and self._run.task is not None:
            self._run.cancel.set()
            self._run.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._run.task

    def _obey(self, command: Command, reply: Reply) -> None:
        match command.command:
            case "profile":
                order = _arguments(command, ProfileOrder)
                if (busy := self._busy) is not None:
                    reply(_refusal(command, "command.busy", busy))
                    return
                self._run = run = _Run(command, reply, order=order)
                run.task = asyncio.create_task(self._profile(run, order))
            case "cancel":
                self._cancel(_arguments(command, Cancel).id)
                reply(Response(id=command.id, ok=True))

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

    async def _profile(self, run: _Run, order: ProfileOrder) -> None:
        log.info("profile.begun", segment=order.segment, request=run.command.id)

        def progress(step: Progress) -> None:
            run.progress = step  # from the thread that fetches, too: one reference

        telling = asyncio.create_task(self._tell(run))
        answers: tuple[Response, ...] = ()
        try:
            self._scratch.mkdir(mode=0o700, exist_ok=True)
            report = await profile_run(order, self._means, self._scratch, run.cancel, progress)
            answers = tuple(_answers(run.command, report))
        except CodedError as error:
            answers = (_refusal(run.command, error.code, str(error)),)
        except ChildReportError as error:
            answers = (_refusal(run.command, error.code, str(error)),)
        except OSError as error:
            text = f"the device has no room to measure ({error})"
            answers = (_refusal(run.command, "measurement.failed", text),)
        except asyncio.CancelledError:
            answers = (_refusal(run.command, "measurement.cancelled", "it was given up"),)
            raise
        finally:
            telling.cancel()
            shutil.rmtree(self._scratch, ignore_errors=True)
            run.answers, run.ended_at, run.order = answers, time.monotonic(), None
            log.info("profile.ended", segment=order.segment, ok=bool(answers and answers[-1].ok))
            self._ended()
            for answer in answers:
                run.reply(answer)

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


def _answers(command: Command, report: ProfileReport) -> Iterator[Response]:
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
