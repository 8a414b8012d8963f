"""What one assignment's worker runs on, and what the supervisor makes of it. No clock."""

from typing import Final

import structlog

from agent import memory_limit
from agent.channel import Using
from agent.recovery import Recovery
from agent.supervisor.worker_process import NOT_STARTED, WorkerLostError
from wire.messages import Assignment, Reason

log = structlog.get_logger()

LOST: Final = "accelerator.lost"


class AcceleratorUse:
    """The accelerator of one assignment: in use, lost, on its way back, or never there.

    Args:
        assignment: What was asked for.
        recovery: Of an accelerator that was never lost.
    """

    def __init__(self, assignment: Assignment, recovery: Recovery) -> None:
        self.recovery = recovery
        self.without: Reason | None = None
        """Why the next worker shall begin with the runtime's fallback."""
        self.using: Using | None = None
        """What the worker said last; None: there is none, or it has said nothing yet."""
        self._assignment = assignment
        self._log = log.bind(assignment=assignment.key, runtime=assignment.runtime)

    @property
    def degraded(self) -> Reason | None:
        """Why it runs on less than was asked for; None: it does not."""
        return self.using.degraded if self.using else self.without

    @property
    def fallen_back(self) -> bool:
        """Whether a worker runs on the runtime's fallback."""
        return self.using is not None and self.without is not None

    @property
    def name(self) -> tuple[str, str]:
        """The runtime and accelerator that were asked for; an empty one is the first."""
        return self._assignment.runtime, self._assignment.accelerator

    @property
    def held(self) -> tuple[str, str] | None:
        """The runtime and accelerator that the worker has open, or tries; None: the processor."""
        required = self._assignment.require_accelerator
        if self.using is None or not (self.using.at_stake or required):
            return None
        return self._assignment.runtime, self.using.accelerator

    def worker_started(self) -> None:
        """A new worker is to be loaded."""
        self.using = None
        self.recovery = self.recovery.forgotten()

    def ordered(self, now: float) -> None:
        """The worker is told to use the accelerator again."""
        self.recovery = self.recovery.ordered(now)

    def told(self, using: Using, now: float) -> None:
        """Take what the worker says."""
        before, self.using = self.using, using
        if before is not None and before.at_stake and not using.at_stake and using.degraded:
            self._lost(using.degraded, now)
        elif self.without is not None and using.runtime == self._assignment.runtime:
            self._log.info("accelerator.used_again", accelerator=using.accelerator)
            self.without = None
            self.recovery = self.recovery.used(now)

    def worker_ended(self, error: WorkerLostError, now: float) -> None:
        """Take the end of a process that was using an accelerator as the loss of that."""
        using, self.using = self.using, None
        if using is None or not using.at_stake or error.reason == NOT_STARTED:
            return
        if error.reason == memory_limit.CODE and self.without is None:
            return  # unless it was to hold both for a while, the segment is to blame
        told = using.degraded  # a worker that hangs says so before it ends
        if told is None or told == self.without or told.code != LOST:
            message = f"the worker {error.message} while it used {self._assignment.runtime}"
            told = Reason(code=LOST, message=message)
        self._lost(told, now)

    def _lost(self, reason: Reason, now: float) -> None:
        self._log.warning("accelerator.lost", code=reason.code, reason=reason.message)
        self.without = reason
        self.recovery = self.recovery.lost(now)
