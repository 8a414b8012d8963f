"""The command ``doctor``: a child examines the device, one at a time, and answers at its end."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from agent.channel import PARTLY
from agent.supervisor.child_report import ChildReportError, child_report
from wire.messages import Reason
from wire.reports import DoctorReport, Examination, Finding

log = structlog.get_logger()

LIMIT_SECONDS: Final = 180.0
DEGRADED: Final = "runtimes.degraded"
"""The id of the finding."""
AGAIN: Final = (
    "this report says what is missing, if anything; the accelerator is used again by itself when it"
    " has worked for a while; if it is lost again and again: another port, cable or power supply"
)
ELSEWHERE: Final = (
    "export the model without these operators, or deploy with a --runtime that has them"
)


class Doctor:
    """Examines the device when it is asked to.

    Args:
        arguments: Options that tell the child which configuration is ours.
        degraded: Returns why assignments run on less than was asked for: the child cannot know.
    """

    def __init__(
        self, arguments: Sequence[str] = (), degraded: Callable[[], Sequence[Reason]] = tuple
    ) -> None:
        self.limit_seconds = LIMIT_SECONDS
        self._arguments = tuple(arguments)
        self._degraded = degraded
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
            outcome = self._with_degraded(
                await child_report(
                    *("doctor", "--json", *self._arguments),
                    kind=DoctorReport,
                    limit_seconds=self.limit_seconds,
                )
            )
        except ChildReportError as error:
            outcome = str(error)
            log.warning("doctor.failed", reason=outcome)
        else:
            log.info("doctor.ended", problems=outcome.count("problem"))
        done(outcome)

    def _with_degraded(self, report: DoctorReport) -> DoctorReport:
        told = tuple(_finding(why) for why in self._degraded())
        if not told:
            return report
        more = Examination(group="serving", title="What serves here", findings=told)
        return msgspec.structs.replace(report, examinations=(*report.examinations, more))


def _finding(why: Reason) -> Finding:
    return Finding(
        id=DEGRADED,
        severity="warning",
        evidence=f"{why.message} ({why.code})",
        fix=ELSEWHERE if why.code == PARTLY else AGAIN,
    )
