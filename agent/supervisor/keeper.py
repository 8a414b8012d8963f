"""Keeps the newest version of the journal on disk: in a thread of its own, one save at a time.

A slow disk holds up nothing but the orders that wait for it. A disk that refuses is asked again
until it takes what it must, so that its recovery is noticed by itself.
"""

import asyncio
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import structlog

from agent import journal_file
from agent.journal import Journal
from agent.journal_file import JournalError
from wire import backoff
from wire.messages import Reason

SLOW_SECONDS: Final = 5.0
"""A save that takes longer is told as a problem."""
FIRST_RETRY_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 30.0

log = structlog.get_logger(__name__)


class Keeper:
    """Saves journals. Used from one event loop.

    Args:
        folder: The state folder, which is held.
        journal: What is on disk.
        saved: Called with each journal that survives a power cut from now on.
        failed: Called when the disk refused; may give another journal to be kept.
        changed: Called when `problem` is another.
        problem: Why ``journal`` is not on disk, where the disk refused it before.
    """

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        *,
        saved: Callable[[Journal], None],
        failed: Callable[[], None],
        changed: Callable[[], None],
        problem: JournalError | None = None,
    ) -> None:
        self.problem = _reason(problem) if problem is not None else None
        """What is wrong with the disk; None: nothing."""
        self._folder = folder
        self._newest = self._on_disk = journal
        self._saved = saved
        self._failed = failed
        self._changed = changed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._task: asyncio.Task[None] | None = None
        if problem is not None:
            log.error("journal.not_saved", error=str(problem))
            self.keep(journal)

    def keep(self, journal: Journal) -> None:
        """Save ``journal`` soon; one that still waits is left out for it."""
        self._newest = journal
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._until_saved())

    async def settle(self, seconds: float) -> None:
        """Wait until everything is on disk, or so long."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=seconds)

    def stop(self) -> None:
        """Save nothing more."""
        if self._task is not None:
            self._task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _until_saved(self) -> None:
        delays = self._delays()
        while self._newest is not self._on_disk or self.problem is not None:
            journal = self._newest
            try:
                await self._save(journal)
            except JournalError as error:
                if self.problem is None or self.problem.code != error.code:
                    log.error("journal.not_saved", error=str(error))
                self._failed()
                self._tell(_reason(error))
                await asyncio.sleep(next(delays))
                continue
            self._on_disk = journal
            if self.problem is not None:
                log.info("journal.recovered")
            delays = self._delays()
            self._saved(journal)
            self._tell(None)

    def _tell(self, problem: Reason | None) -> None:
        if self.problem != problem:
            self.problem = problem
            self._changed()

    async def _save(self, journal: Journal) -> None:
        loop = asyncio.get_running_loop()
        saving = loop.run_in_executor(self._thread, journal_file.save, self._folder, journal)
        done, _ = await asyncio.wait({saving}, timeout=SLOW_SECONDS)
        if not done and self.problem is None:
            text = f"the journal has not been saved within {SLOW_SECONDS:g} s; check the disk"
            log.warning("journal.delayed", seconds=SLOW_SECONDS)
            self._tell(Reason(code="journal.slow", message=text))
        await saving

    def _delays(self) -> Iterator[float]:
        rng = random.SystemRandom()
        return backoff.delays(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, rng)


def _reason(error: JournalError) -> Reason:
    return Reason(code=error.code, message=str(error))
