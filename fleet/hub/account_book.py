"""What became of every frame of a pipeline, over all clients and streams. Pure.

Each client tells the whole account of its stream again and again, so a lost word is harmless, and a
late or repeated one is known by its numbers: none of them ever shrinks. What is told and does not
add up is refused, so the sum over all does.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from fleet.hub.durations import Durations
from fleet.hub.views import AccountView
from wire.errors import MessageError
from wire.messages import Account

HEARD_SECONDS: Final = 10.0
LISTENED_SECONDS: Final = 3.0
"""Clients tell their accounts every second: so long after connecting, a new one has just begun."""
MAX_STREAMS: Final = 256
"""More are added to the past, longest silent first."""
MAX_PAST: Final = 512
"""Streams of the past that are remembered, so that a late word of one is not counted twice."""
MAX_CODES: Final = 256
OTHER: Final = "other"
"""Stands for the codes that are one too many."""
_MAX: Final = 1 << 48
"""Of frames in one account: a thousand a second for nine thousand years."""
_STREAMS: Final = 1 << 64
_MAX_PAST: Final = 1 << 62
"""With all that are heard it fits into 64 bits."""

Key = tuple[str, int]
"""Client and stream."""


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Frames by what became of them."""

    submitted: int = 0
    results: int = 0
    errors: dict[str, int] = {}
    drops: int = 0
    in_flight: int = 0
    lost: int = 0

    def plus(self, other: "Sums") -> "Sums":
        """Return both together."""
        return Sums(
            submitted=self.submitted + other.submitted,
            results=self.results + other.results,
            errors=_few(Counter(self.errors) + Counter(other.errors)),
            drops=self.drops + other.drops,
            in_flight=self.in_flight + other.in_flight,
            lost=self.lost + other.lost,
        )

    @property
    def ended(self) -> int:
        """Frames that are not in flight any more."""
        return self.results + sum(self.errors.values()) + self.drops


def _few(errors: Counter[str]) -> dict[str, int]:
    """Return the most frequent codes, and the others as one: clients may make up any."""
    if len(errors) <= MAX_CODES:
        return dict(errors)
    kept = dict(errors.most_common(MAX_CODES - 1))
    rest = errors.total() - sum(kept.values())
    kept[OTHER] = kept.get(OTHER, 0) + rest
    return kept


@dataclass(frozen=True, slots=True)
class Progress:
    """What came since the word before."""

    submitted: int
    results: int
    errors: int
    drops: int
    latency: Durations


@dataclass(slots=True)
class _Stream:
    sums: Sums
    latency: Durations
    heard_at: float
    """Monotonic seconds of the hub; before its start: minus infinity."""


class BookRow(msgspec.Struct, frozen=True, kw_only=True):
    """A book as it is kept over a restart."""

    past: Sums
    past_streams: list[tuple[str, int]]
    streams: list[tuple[str, int, Sums, dict[str, Any]]]


@dataclass(slots=True)
class AccountBook:
    """The accounts of one pipeline."""

    _streams: OrderedDict[Key, _Stream] = field(default_factory=OrderedDict)
    """Longest silent first."""
    _past: Sums = field(default_factory=Sums)
    _past_streams: OrderedDict[Key, None] = field(default_factory=OrderedDict)

    def take(
        self, told: Account, now: float, *, heard_since: float = float("-inf")
    ) -> Progress | None:
        """Take a client's account; returns what came since; None: it is no news, or not known.

        Args:
            told: The account.
            now: Monotonic seconds.
            heard_since: Since when no word was missed. What the first one afterwards tells may be
                of long before, so it is no progress; that of a new client just came.

        Raises:
            MessageError: It does not add up.
        """
        key = told.client, told.stream
        sums, latency = _checked(told), Durations.from_message(told.latency)
        if key in self._past_streams:
            return None
        if self._past.submitted + self._past.lost > _MAX_PAST:
            raise MessageError("acct", "too many frames in all")
        known = self._streams.get(key)
        before = known.sums if known else Sums()
        if known and not (_grown(before, sums) and latency.holds(known.latency)):
            return None
        self._streams[key] = _Stream(sums, latency, now)
        self._streams.move_to_end(key)
        self._bound()
        missed = known is None or known.heard_at < heard_since
        if missed and now - heard_since <= LISTENED_SECONDS:
            return None
        return Progress(
            submitted=sums.submitted - before.submitted,
            results=sums.results - before.results,
            errors=sum(sums.errors.values()) - sum(before.errors.values()),
            drops=sums.drops - before.drops,
            latency=latency.since(known.latency) if known else latency,
        )

    def sums(self) -> Sums:
        """Return all accounts in one."""
        total = self._past
        for stream in self._streams.values():
            total = total.plus(stream.sums)
        return total

    def view(self, now: float) -> AccountView:
        """Return it as it is shown."""
        sums = self.sums()
        heard = {key for key, s in self._streams.items() if now - s.heard_at <= HEARD_SECONDS}
        silent = {k[0] for k, s in self._streams.items() if k not in heard and s.sums.in_flight}
        return AccountView(
            submitted=sums.submitted,
            results=sums.results,
            errors=dict(sorted(sums.errors.items(), key=lambda item: (-item[1], item[0]))),
            drops=sums.drops,
            in_flight=sums.in_flight,
            lost=sums.lost,
            clients=len({client for client, _ in heard}),
            silent_clients=len(silent - {client for client, _ in heard}),
        )

    def kept(self) -> BookRow:
        """Return it as it is kept over a restart."""
        return BookRow(
            past=self._past,
            past_streams=list(self._past_streams),
            streams=list(self._rows()),
        )

    @classmethod
    def restored(cls, row: BookRow) -> "AccountBook":
        """Return the book that was kept."""
        book = cls(_past=row.past, _past_streams=OrderedDict.fromkeys(map(tuple, row.past_streams)))  # type: ignore[arg-type]
        for client, stream, sums, latency in row.streams:
            told = Durations.from_message(latency)
            book._streams[client, stream] = _Stream(sums, told, float("-inf"))
        return book

    def _rows(self) -> Iterator[tuple[str, int, Sums, dict[str, Any]]]:
        for (client, stream), kept in self._streams.items():
            yield client, stream, kept.sums, kept.latency.to_message()

    def _bound(self) -> None:
        while len(self._streams) > MAX_STREAMS:
            key, oldest = self._streams.popitem(last=False)
            self._past = self._past.plus(oldest.sums)
            self._past_streams[key] = None
        while len(self._past_streams) > MAX_PAST:
            self._past_streams.popitem(last=False)


def _checked(told: Account) -> Sums:
    sums = Sums(
        submitted=told.submitted,
        results=told.results,
        errors=told.errors,
        drops=told.drops,
        in_flight=told.in_flight,
        lost=told.lost,
    )
    numbers = (*msgspec.structs.astuple(sums)[:2], told.drops, told.in_flight, told.lost)
    if not all(0 <= n < _MAX for n in (*numbers, *told.errors.values())):
        raise MessageError("acct", "a number is negative or too large")
    if not 0 <= told.stream < _STREAMS:
        raise MessageError("acct", "its stream is out of range")
    if len(told.errors) > MAX_CODES:
        raise MessageError("acct", f"{len(told.errors)} codes of errors, at most {MAX_CODES}")
    if sums.submitted != sums.ended + sums.in_flight:
        problem = f"{sums.submitted} submitted, {sums.ended} ended, {sums.in_flight} in flight"
        raise MessageError("acct", f"it does not add up: {problem}")
    return sums


def _grown(before: Sums, after: Sums) -> bool:
    return (
        after.submitted >= before.submitted
        and after.results >= before.results
        and after.drops >= before.drops
        and all(after.errors.get(code, 0) >= n for code, n in before.errors.items())
    )
