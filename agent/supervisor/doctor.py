"""The command ``doctor``: a child examines the device, one at a time, and answers at its end."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from agent.supervisor.child_report import ChildReportError, child_report
from wire.reports import DoctorReport

log = structlog.get_logger()

LIMIT_SECONDS: Final = 180.0


class Doctor:
    """Examines the device when it is asked to.

    Args:
        arguments: Options that tell the child which configuration is ours.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self.limit_seconds = LIMIT_SECONDS
        self._arguments = tuple(arguments)
        self._task: asyncio.Task[None] | None = None

    def begin(self, done: Callable[[DoctorReport | str], None]) -> bool:
        """Begin to examine; return False where an examination runs already.

        Args:
            done: Called in the event loop with the report, or with why there is none.
        """
        if self._task is not None and not self._task.done():
            return False
        self._task = asyncio.create_task(self._examine(done))
        return True

    async def stop(self) -> None:
        """Kill a child that runs; nobody is answered."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _examine(self, done: Callable[[DoctorReport | str], None]) -> None:
        log.info("doctor.called")
        outcome: DoctorReport | str
        try:
            outcome = await child_report(
                *("doctor", "--json", *self._arguments),
                kind=DoctorReport,
                limit_seconds=self.limit_seconds,
            )
        except ChildReportError as error:
            outcome = str(error)
            log.warning("doctor.failed", reason=outcome)
        else:
            log.info("doctor.ended", problems=outcome.count("problem"))
        done(outcome)
