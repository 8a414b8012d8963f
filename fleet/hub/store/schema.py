"""The tables. What they are made by is in ``migrations/``; a test compares the two.

All telemetry comes at the end: keys begin with the slot, the ten seconds in which something was
heard, so that writing touches the newest pages alone however many devices there are, and pruning
the oldest. Reading one device's hour is one look into the index for each slot.
"""

from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)  # fmt: skip

SLOT_SECONDS: Final = 10
VERSION_TABLE: Final = "hub_version"
Holds: TypeAlias = Literal["raw", "rollups"]

Long: Final = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits with a sign, on both."""
STRICT: Final[dict[str, Any]] = {"sqlite_strict": True}
CLUSTERED: Final[dict[str, Any]] = {"sqlite_strict": True, "sqlite_with_rowid": False}

metadata: Final = MetaData()

devices: Final = Table(
    "hub_devices",
    metadata,
    Column("device", Text, primary_key=True),
    Column("first_seen_unix_ns", Long, nullable=False),
    Column("last_seen_unix_ns", Long, nullable=False),
    Column("status", LargeBinary),
    Column("info", LargeBinary),
    Column("reported", LargeBinary),
    **CLUSTERED,
)

raw: Final = Table(
    "hub_raw",
    metadata,
    Column("id", Long, primary_key=True, autoincrement=True),
    Column("slot", Long, nullable=False),
    Column("device", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("session", Long, nullable=False),
    Column("sent_unix_ns", Long, nullable=False),
    Column("received_unix_ns", Long, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    UniqueConstraint("sent_unix_ns", "device", "kind", "session", name="hub_raw_message"),
    Index("hub_raw_slot", "slot", "device", "kind"),
    **STRICT,
)

rollups: Final = Table(
    "hub_rollups",
    metadata,
    Column("slot", Long, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("end_unix_seconds", Long, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
    **CLUSTERED,
)

slots: Final = Table(
    "hub_slots",
    metadata,
    Column("holds", Text, primary_key=True),
    Column("slot", Long, primary_key=True, autoincrement=False),
    Column("bytes", Long, nullable=False),
    **CLUSTERED,
)
"""Which slots there are of raw telemetry and of roll-ups, and about how large each is."""


def slot_of(unix_seconds: int) -> int:
    """Return the slot that an instant belongs to."""
    return unix_seconds // SLOT_SECONDS


def slot_of_ns(unix_ns: int) -> int:
    """Return the slot that an instant in nanoseconds belongs to."""
    return slot_of(unix_ns // 1_000_000_000)
