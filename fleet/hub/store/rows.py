"""What is kept, as types. Payloads are bytes that the store does not look into."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device of the registry, with what it said last on its retained topics."""

    device: str
    first_seen_unix_ns: int
    last_seen_unix_ns: int
    status: bytes | None = None
    info: bytes | None = None
    reported: bytes | None = None


@dataclass(frozen=True, slots=True)
class RawRow:
    """One telemetry message as it came."""

    device: str
    kind: str
    """``health`` or ``latency``."""
    sent_unix_ns: int
    """By the device's clock; with the session it tells a repeated message."""
    session: int
    received_unix_ns: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class RollupRow:
    """Ten seconds of something; a later row of the same key and end replaces the earlier."""

    kind: str
    """``device``, ``pipeline`` or ``stage``."""
    key: str
    end_unix_seconds: int
    data: bytes


@dataclass(slots=True)
class Batch:
    """What one flush writes, in one transaction."""

    devices: dict[str, DeviceRow] = field(default_factory=dict)
    raw: list[RawRow] = field(default_factory=list)
    rollups: list[RollupRow] = field(default_factory=list)
    forgotten: set[str] = field(default_factory=set)
    """Devices that leave the registry before ``devices`` enter it."""
