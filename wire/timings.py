"""What each stage writes into a frame's meta ``timings``: the waterfall of one frame.

There an entry is a list of an entry's fields in their order, which costs a frame least.

Monotonic nanoseconds of one clock, with that clock's id: two entries with one clock can be
compared directly; between two clocks an offset must be estimated.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

import msgspec

from wire.messages import Int64

KEY: Final = "timings"
MAX_ENTRIES: Final = 64


class StageTimes(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One stage's entry."""

    stage: Int64
    device: str
    clock: str
    received: Int64
    """The reader thread had the whole frame."""
    started: Int64
    """Its turn had come."""
    run: Int64
    """The runtime was called."""
    finished: Int64
    """The runtime returned."""
    sent: Int64
    """The next frame was handed to the link."""
    leaving: Int64 = 0
    """What came of it began to leave; 0, from earlier versions: when the runtime returned."""

    @property
    def waited(self) -> int:
        """How long what came of it waited for the frame before to leave, in nanoseconds."""
        return max(0, min(self.leaving, self.sent) - self.finished) if self.leaving else 0


_DEFAULTS: Final = {"leaving": 0}
"""Of fields that earlier versions do not tell."""


def appended(meta: Mapping[str, Any], entry: StageTimes) -> list[Any]:
    """Return the list to set as meta ``timings`` after this stage."""
    before = meta.get(KEY)
    entries = before if isinstance(before, list) else []
    return [*entries[-(MAX_ENTRIES - 1) :], msgspec.structs.astuple(entry)]


def entries(meta: Mapping[str, Any]) -> tuple[StageTimes, ...]:
    """Return the entries that can be understood; a broken one is left out."""
    raw = meta.get(KEY)
    if not isinstance(raw, list):
        return ()
    try:
        return msgspec.convert(raw, tuple[StageTimes, ...])
    except msgspec.ValidationError:
        return tuple(chain.from_iterable(map(_understood, raw)))


def plain(entry: StageTimes) -> dict[str, Any]:
    """Return an entry as plain data."""
    return msgspec.structs.asdict(entry)


def from_plain(told: Iterable[Mapping[str, Any]]) -> tuple[StageTimes, ...]:
    """Return the entries that `plain` made.

    Raises:
        msgspec.ValidationError: They are none.
    """
    fields = StageTimes.__struct_fields__
    listed = [[entry.get(field, _DEFAULTS.get(field)) for field in fields] for entry in told]
    return msgspec.convert(listed, tuple[StageTimes, ...])


def _understood(raw: Any) -> Iterator[StageTimes]:
    with contextlib.suppress(msgspec.ValidationError):
        yield msgspec.convert(raw, StageTimes)
