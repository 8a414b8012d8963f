"""Queries, each of which brings a bounded part into memory: a slot of all, or many of one."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, func, select

from fleet.hub.store import compression, schema
from fleet.hub.store.rows import DeviceRow, RawRow, RollupRow

RAW_SLOTS: Final = 60
"""Are read at once of one device: ten minutes."""
ROLLUP_SLOTS: Final = 360
"""Are read at once of one key: an hour."""

_devices, _raw, _rollups, _slots = schema.devices.c, schema.raw.c, schema.rollups.c, schema.slots.c
_RAW: Final = select(
    _raw.device, _raw.kind, _raw.sent_unix_ns, _raw.session, _raw.received_unix_ns, _raw.payload
).order_by(_raw.received_unix_ns, _raw.id)
_ROLLUPS: Final = select(_rollups.kind, _rollups.key, _rollups.end_unix_seconds, _rollups.data)


def devices(connection: Connection) -> list[DeviceRow]:
    """Return the registry, by name."""
    found = connection.execute(select(schema.devices).order_by(_devices.device))
    return [DeviceRow(*row) for row in found]


def slots(connection: Connection, holds: schema.Holds, first: int) -> list[int]:
    """Return the slots of which something is kept from ``first`` on, oldest first."""
    wanted = (
        select(_slots.slot).where(_slots.holds == holds, _slots.slot >= first).order_by(_slots.slot)
    )
    return list(connection.scalars(wanted))


def all_slots(connection: Connection) -> list[tuple[schema.Holds, int]]:
    """Return of what something is kept: at most some ten thousand slots."""
    return [(holds, slot) for holds, slot in connection.execute(select(_slots.holds, _slots.slot))]


def written_bytes(connection: Connection) -> int:
    """Return how large all slots are, about, by what was written to them."""
    return int(connection.scalar(select(func.sum(_slots.bytes))) or 0)


def raw(
    connection: Connection, at: Sequence[int], since_unix_ns: int, series: tuple[str, str] | None
) -> list[RawRow]:
    """Return raw telemetry of these slots, of one (device, kind) or of all, in order of receipt."""
    wanted = _RAW.where(_raw.slot.in_(at), _raw.received_unix_ns >= since_unix_ns)
    if series is not None:
        wanted = wanted.where(_raw.device == series[0], _raw.kind == series[1])
    return [RawRow(*row[:-1], compression.unpack(row[-1])) for row in connection.execute(wanted)]


def rollups(
    connection: Connection, at: Sequence[int], span: tuple[int, int], series: tuple[str, str] | None
) -> list[RollupRow]:
    """Return roll-ups of these slots that end in ``span``, of one (kind, key) or of all, by end."""
    ends = _rollups.end_unix_seconds
    wanted = _ROLLUPS.where(_rollups.slot.in_(at), ends >= span[0], ends < span[1])
    if series is not None:
        wanted = wanted.where(_rollups.kind == series[0], _rollups.key == series[1])
    found = connection.execute(wanted.order_by(ends, _rollups.kind, _rollups.key))
    return [RollupRow(*row[:-1], compression.unpack(row[-1])) for row in found]


def oldest_rollup(connection: Connection) -> int | None:
    """Return when the oldest roll-up ends; None: there is none."""
    first = select(func.min(_slots.slot)).where(_slots.holds == "rollups").scalar_subquery()
    end: int | None = connection.scalar(
        select(func.min(_rollups.end_unix_seconds)).where(_rollups.slot == first)
    )
    return end
