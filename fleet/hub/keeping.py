"""Keeps what came in, in a thread of its own, so that a slow disk holds up nothing else."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, TypeVar

import structlog

from fleet.hub.store.errors import StoreError
from fleet.hub.store.rows import Batch, DeviceRow
from fleet.hub.store.store import Store

MOST_RAW: Final = 20_000
MOST_ROLLUPS: Final = 50_000
"""What waits for a database that is away; when full, the oldest goes."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Keeping:
    """The store, from an event loop. Closing it waits for what is under way."""

    def __init__(self, store: Store) -> None:
        self.problem: str | None = None
        """Why nothing can be kept now; None: it can."""
        self.name = store.name
        self.oldest_unix_seconds: int | None = None
        """When the oldest roll-up ends."""
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._waiting = Batch()

    async def ask(self, read: Callable[[Store], T]) -> T:
        """Return what ``read`` returns; it runs in the store's thread.

        Raises:
            StoreError: The database cannot be asked.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, read, self._store)

    async def keep(self, batch: Batch) -> None:
        """Write a batch; what cannot be written now waits for the next, what never can is lost."""
        waiting = _together(self._waiting, batch)
        self._waiting = Batch()
        if waiting == Batch():
            return
        try:
            await self.ask(lambda store: store.write(waiting))
        except StoreError as error:
            if error.retryable:
                self._waiting = _together(waiting, self._waiting)
            self._tell(error)
        else:
            self._tell(None)

    async def prune(self, unix_ns: int) -> None:
        """Forget what is too old or too much."""

        def prune(store: Store) -> int | None:
            store.prune(unix_ns)  # what it leaves for want of time comes next time
            return store.oldest_rollup_unix_seconds()

        try:
            self.oldest_unix_seconds = await self.ask(prune)
        except StoreError as error:
            self._tell(error)

    def close(self) -> None:
        """Close the store, once what is under way is done."""
        self._thread.submit(self._store.close).result()
        self._thread.shutdown()

    def _tell(self, error: StoreError | None) -> None:
        if error is not None and self.problem is None:
            log.error("history.not_kept", code=error.code, reason=str(error))
        if error is None and self.problem is not None:
            log.info("history.kept_again")
        self.problem = str(error) if error is not None else None


def _newer(before: DeviceRow, row: DeviceRow) -> DeviceRow:
    """Return a later row, with what it leaves as it was."""
    kinds = ("status", "info", "reported")
    return replace(row, **{k: getattr(before, k) for k in kinds if getattr(row, k) is None})


def _together(earlier: Batch, later: Batch) -> Batch:
    """Return two batches as one, within bounds."""
    devices = {n: row for n, row in earlier.devices.items() if n not in later.forgotten}
    for name, row in later.devices.items():
        before = devices.get(name)
        devices[name] = row if before is None else _newer(before, row)
    rollups = {(r.kind, r.key, r.end_unix_seconds): r for r in (*earlier.rollups, *later.rollups)}
    return Batch(
        devices,
        [*earlier.raw, *later.raw][-MOST_RAW:],
        list(rollups.values())[-MOST_ROLLUPS:],
        earlier.forgotten | later.forgotten,
    )
