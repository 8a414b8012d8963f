"""What each stage writes into a frame's meta ``timings``: the waterfall of one frame.

There an entry is a list of an entry's fields in their order, which costs a frame least.

Monotonic nanoseconds of one clock, with that clock's id: two entries with one clock can be
compared directly; between two clocks an offset must be estimated.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from wire.messages import Int64

KEY: Final = "timings"
MAX_ENTRIES: Final = 64


class StageTimes(msgspec.Struct, frozen=True, kw_only=True):
    """One stage's entry."""

    stage: Int64
    device: str
    clock: str
    received: Int64
    """The reader thread had the whole frame."""
    started: Int64
    """The compute thread took it."""
    run: Int64
    """The runtime was called."""
    finished: Int64
    """The runtime returned."""
    sent: Int64
    """The next frame was handed to the link."""


def appended(meta: Mapping[str, Any], entry: StageTimes) -> list[Any]:
    """Return the list to set as meta ``timings`` after this stage."""
    before = meta.get(KEY)
    entries = before if isinstance(before, list) else []
    return [*entries[-(MAX_ENTRIES - 1) :], msgspec.structs.astuple(entry)]


def entries(meta: Mapping[str, Any]) -> tuple[StageTimes, ...]:
    """Return the entries that can be understood; a broken one is left out."""
    found: list[StageTimes] = []
    raw = meta.get(KEY)
    for entry in raw if isinstance(raw, list) else []:
        try:
            fields = dict(zip(StageTimes.__struct_fields__, entry, strict=False))
            found.append(msgspec.convert(fields, StageTimes))
        except (msgspec.ValidationError, TypeError):
            continue
    return tuple(found)


def plain(entry: StageTimes) -> dict[str, Any]:
    """Return an entry as plain data."""
    made: dict[str, Any] = msgspec.to_builtins(entry)
    return made
