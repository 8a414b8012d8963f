"""What devices tell all day, as types: ``tele/health`` and ``tele/latency``.

Encoded and decoded as the other messages are (`wire.messages`).
"""

from typing import Any, Literal

import msgspec

from wire.messages import SCHEMA, Int64, Reason


class Reading(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One measured value; the name ends in its unit."""

    name: str
    value: float
    labels: dict[str, str] = {}


class Problem(Reason, frozen=True, kw_only=True):
    """Something that is wrong with a device."""

    severity: Literal["error", "warning"] = "error"
    """An ``error`` makes the device unhealthy; a ``warning`` is only told."""
    since_unix_ns: Int64 = 0


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """``tele/health``."""

    device: str
    session: Int64
    sent_unix_ns: Int64
    healthy: bool
    """No problem is an ``error``."""
    readings: tuple[Reading, ...]
    problems: tuple[Problem, ...] = ()
    dropped_readings: Int64 = 0
    """How many of the least important readings were left out of this message."""
    schema: int = SCHEMA


class StageCounts(msgspec.Struct, kw_only=True):
    """What one worker has counted since it started; each only ever grows."""

    received: Int64 = 0
    run: Int64 = 0
    sent: Int64 = 0
    received_bytes: Int64 = 0
    sent_bytes: Int64 = 0
    sent_again: Int64 = 0
    """Frames that a neighbour or the link had lost, sent once more."""
    batches: Int64 = 0
    """Runs of several frames at once."""
    errors: dict[str, Int64] = {}
    """By code: frames answered with an error."""
    refused: dict[str, Int64] = {}
    """By code: frames that were not run."""


class StageLatency(msgspec.Struct, kw_only=True):
    """One worker's counts and histograms since it started."""

    pipeline: str
    generation: Int64
    stage: Int64
    instance: Int64
    counts: StageCounts
    histograms: dict[str, dict[str, Any]]
    """``queue``, ``decode``, ``run``, ``encode``, ``send``: see `wire.histogram`."""
    queued_frames: Int64 = 0
    suspect: tuple[str, ...] = ()
    """Neighbours that have not answered."""
    links: dict[str, str] = {}
    """By device of the next stage: the link that frames go there by now."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """``tele/latency``."""

    device: str
    session: Int64
    sent_unix_ns: Int64
    stages: tuple[StageLatency, ...]
    schema: int = SCHEMA
