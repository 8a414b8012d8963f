"""The hub's database: SQLite, or PostgreSQL by URL."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from sqlalchemy import Connection, Engine

from fleet.hub.store import opening, pruning, reading, schema, sqlite_file, url, writing
from fleet.hub.store.rows import Batch, DeviceRow, RawRow, RollupRow
from fleet.hub.store.translating import translated

DEFAULT_MAX_BYTES: Final = 4 << 30
_PRUNE_SECONDS: Final = 0.25
"""After so long a prune leaves the rest to the next one."""


class Store:
    """What the hub keeps. Called from one thread at a time; each call blocks until it is done.

    Every call raises `StoreUnavailableError` while the database cannot do its work, after which
    trying again is enough, and `StoreDamagedError` or `StoreError` where it is not.
    """

    def __init__(self, engine: Engine, name: str, max_bytes: int) -> None:
        self._engine = engine
        self.name = name
        """The URL without credentials, for people."""
        self.max_bytes = max_bytes

    @classmethod
    def open(cls, database: str, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Self:
        """Return the database of that URL, made or brought up to date where needed.

        Raises:
            StoreError: One of its kinds, which says what to do.
        """
        parsed = url.parsed(database)
        name = url.name_of(parsed)
        with translated(name, opening=True):
            return cls(opening.open_engine(parsed), name, max_bytes)

    def close(self) -> None:
        """Give the connection back; closing twice is harmless."""
        self._engine.dispose()

    def write(self, batch: Batch) -> None:
        """Write all of a batch, or nothing of it where this raises.

        Forgotten devices leave the registry first; what they sent goes when it is old. A device's
        ``first_seen`` never grows, and what is None of it stays as it was. Telemetry of
        the same device, kind, session and sending time is kept once; a roll-up replaces the
        one of the same kind, key and end.
        """
        with self._transaction() as connection:
            writing.write(connection, batch)

    def devices(self) -> list[DeviceRow]:
        """Return the registry, by name."""
        with self._transaction() as connection:
            return reading.devices(connection)

    def raw(self, device: str, kind: str, since_unix_ns: int) -> Iterator[RawRow]:
        """Yield one device's telemetry in order of receipt."""
        return self._raw(since_unix_ns, (device, kind), reading.RAW_SLOTS)

    def raw_since(self, since_unix_ns: int) -> Iterator[RawRow]:
        """Yield all devices' telemetry in order of receipt."""
        return self._raw(since_unix_ns, None, 1)

    def rollups(
        self, kind: str, key: str, since_unix_seconds: int, until_unix_seconds: int
    ) -> list[RollupRow]:
        """Return one key's roll-ups that end from ``since`` on and before ``until``, in order."""
        span = (since_unix_seconds, until_unix_seconds)
        return list(self._rollups(span, (kind, key), reading.ROLLUP_SLOTS))

    def rollups_since(self, since_unix_seconds: int) -> Iterator[RollupRow]:
        """Yield all keys' roll-ups that end from then on, by end."""
        return self._rollups((since_unix_seconds, sys.maxsize), None, 1)

    def oldest_rollup_unix_seconds(self) -> int | None:
        """Return when the oldest roll-up ends; None: there is none."""
        with self._transaction() as connection:
            return reading.oldest_rollup(connection)

    def size_bytes(self) -> int:
        """Return how large the data is: what `prune` holds to ``max_bytes``.

        Of SQLite these are the pages in use, of PostgreSQL an estimate from what was written: its
        files also hold what was deleted and not yet used again.
        """
        with self._transaction() as connection:
            return self._size_bytes(connection)

    def prune(self, now_unix_ns: int) -> bool:
        """Delete what is too old or too much, oldest first; return whether that is done.

        Too much is more than ``max_bytes``, and for a file more than leaves its disk some room.
        It takes a fraction of a second; where that is not enough, the next call goes on.
        """
        ends = time.monotonic() + _PRUNE_SECONDS
        with self._transaction() as connection:
            writing.forget_unheard(connection, now_unix_ns - pruning.REGISTRY_NANOSECONDS)
            slots = [pruning.Slot(*row) for row in reading.all_slots(connection)]
            limit = self._limit_bytes(connection)
        now = now_unix_ns // 1_000_000_000
        old = pruning.expired(slots, now)
        for slot in (*old, *pruning.least_needed_first(set(slots) - set(old), now)):
            with self._transaction() as connection:
                if slot not in old and self._size_bytes(connection) <= limit:
                    break
                writing.drop(connection, slot.holds, slot.slot)
            if time.monotonic() > ends:
                return False
        if self._engine.dialect.name == "sqlite":
            with self._transaction() as connection:
                return sqlite_file.shrink(connection, limit, ends)
        return True

    def _raw(
        self, since_unix_ns: int, series: tuple[str, str] | None, at_once: int
    ) -> Iterator[RawRow]:
        for at in self._slots("raw", schema.slot_of_ns(since_unix_ns), at_once):
            with self._transaction() as connection:
                rows = reading.raw(connection, at, since_unix_ns, series)
            yield from rows

    def _rollups(
        self, span: tuple[int, int], series: tuple[str, str] | None, at_once: int
    ) -> Iterator[RollupRow]:
        for at in self._slots("rollups", schema.slot_of(span[0]), at_once):
            if at[0] > schema.slot_of(span[1]):
                return
            with self._transaction() as connection:
                rows = reading.rollups(connection, at, span, series)
            yield from rows

    def _slots(self, holds: schema.Holds, first: int, at_once: int) -> Iterator[list[int]]:
        with self._transaction() as connection:
            found = reading.slots(connection, holds, first)
        for begin in range(0, len(found), at_once):
            yield found[begin : begin + at_once]

    def _limit_bytes(self, connection: Connection) -> int:
        if connection.dialect.name == "sqlite":
            return sqlite_file.limit_bytes(connection, self.max_bytes)
        return self.max_bytes

    def _size_bytes(self, connection: Connection) -> int:
        if connection.dialect.name == "sqlite":
            return sqlite_file.used_bytes(connection)
        return reading.written_bytes(connection)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with translated(self.name), self._engine.begin() as connection:
            yield connection
