"""Changes: a batch in one transaction, where what is there is kept or replaced; and deletions."""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Insert, Table, case, delete, func
from sqlalchemy.dialects import postgresql, sqlite

from fleet.hub.store import compression, schema
from fleet.hub.store.rows import Batch, DeviceRow, RawRow, RollupRow

RAW_OVERHEAD_BYTES: Final = 220
"""What a row of raw telemetry takes beside its payload, indexes included; about."""
ROLLUP_OVERHEAD_BYTES: Final = 150
_MOST: Final = (1 << 63) - 1


class _Statements(NamedTuple):
    devices: Insert
    raw: Insert
    rollups: Insert
    slots: Insert


def write(connection: Connection, batch: Batch) -> None:
    """Write a batch in the caller's transaction."""
    for device in sorted(batch.forgotten):
        connection.execute(delete(schema.devices).where(schema.devices.c.device == device))
    said = _statements(connection.dialect.name)
    raw = [_raw_values(row) for row in batch.raw]
    rollups = [_rollup_values(row) for row in batch.rollups]
    devices = [_device_values(name, row) for name, row in sorted(batch.devices.items())]
    for statement, rows in (
        (said.devices, devices),
        (said.raw, raw),
        (said.rollups, rollups),
        (said.slots, _slot_values("raw", raw, "payload", RAW_OVERHEAD_BYTES)),
        (said.slots, _slot_values("rollups", rollups, "data", ROLLUP_OVERHEAD_BYTES)),
    ):
        if rows:
            connection.execute(statement, rows)


def drop(connection: Connection, holds: schema.Holds, slot: int) -> None:
    """Delete what is kept of one slot."""
    table, counted = schema.raw if holds == "raw" else schema.rollups, schema.slots.c
    connection.execute(delete(table).where(table.c.slot == slot))
    connection.execute(delete(schema.slots).where(counted.holds == holds, counted.slot == slot))


def forget_unheard(connection: Connection, before_unix_ns: int) -> None:
    """Strike the devices that were not heard since then."""
    seen = schema.devices.c.last_seen_unix_ns
    connection.execute(delete(schema.devices).where(seen < before_unix_ns))


@cache
def _statements(dialect: str) -> _Statements:
    devices, raw, rollups, slots = (
        _insert(dialect, table)
        for table in (schema.devices, schema.raw, schema.rollups, schema.slots)
    )
    kept, given = schema.devices.c, devices.excluded
    earlier = kept.first_seen_unix_ns < given.first_seen_unix_ns
    return _Statements(
        devices.on_conflict_do_update(
            index_elements=[kept.device],
            set_={
                "first_seen_unix_ns": case(
                    (earlier, kept.first_seen_unix_ns), else_=given.first_seen_unix_ns
                ),
                "last_seen_unix_ns": given.last_seen_unix_ns,
                **{
                    name: func.coalesce(given[name], kept[name])
                    for name in ("status", "info", "reported")
                },
            },
        ).inline(),
        raw.on_conflict_do_nothing().inline(),
        rollups.on_conflict_do_update(
            index_elements=list(schema.rollups.primary_key), set_={"data": rollups.excluded.data}
        ).inline(),
        slots.on_conflict_do_update(
            index_elements=list(schema.slots.primary_key),
            set_={"bytes": schema.slots.c.bytes + slots.excluded.bytes},
        ).inline(),
    )


def _insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def _device_values(name: str, row: DeviceRow) -> dict[str, Any]:
    return {
        "device": name,
        "first_seen_unix_ns": _bounded(row.first_seen_unix_ns),
        "last_seen_unix_ns": _bounded(row.last_seen_unix_ns),
        "status": row.status,
        "info": row.info,
        "reported": row.reported,
    }


def _raw_values(row: RawRow) -> dict[str, Any]:
    return {
        "slot": schema.slot_of_ns(row.received_unix_ns),
        "device": row.device,
        "kind": row.kind,
        "session": _bounded(row.session),
        "sent_unix_ns": _bounded(row.sent_unix_ns),
        "received_unix_ns": row.received_unix_ns,
        "payload": compression.pack(row.payload),
    }


def _rollup_values(row: RollupRow) -> dict[str, Any]:
    return {
        "slot": schema.slot_of(row.end_unix_seconds),
        "kind": row.kind,
        "key": row.key,
        "end_unix_seconds": row.end_unix_seconds,
        "data": compression.pack(row.data),
    }


def _slot_values(
    holds: schema.Holds, rows: Iterable[dict[str, Any]], content: str, overhead_bytes: int
) -> list[dict[str, Any]]:
    sizes: Counter[int] = Counter()
    for row in rows:
        sizes[row["slot"]] += len(row[content]) + overhead_bytes
    return [{"holds": holds, "slot": slot, "bytes": size} for slot, size in sorted(sizes.items())]


def _bounded(value: int) -> int:
    """Return what fits into 64 bits: these come from devices, which may say anything."""
    return max(-_MOST, min(_MOST, value))
