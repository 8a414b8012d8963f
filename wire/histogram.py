"""Latency histograms that can be added up over stages, devices and time.

Buckets are log-linear and the same everywhere: eight to each power of two, from 2**10 ns
(1 us) to 2**42 ns (73 min). A percentile is the middle of its bucket, so it is within 6.25 % of
the exact one. What is shorter or longer than that is counted in the bucket at that end.

One thread adds; others may copy at any time and see at most the newest value missing from
the count or from the sum. Source of the bucketing: HdrHistogram, by G. Tene.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

from wire.errors import MessageError

SUB_BITS: Final = 3
MIN_BITS: Final = 10
MAX_BITS: Final = 42
BUCKETS: Final = ((MAX_BITS - MIN_BITS) << SUB_BITS) + 2
"""With one bucket for what is too short, the first, and one for what is too long, the last."""
RELATIVE_ERROR: Final = 1 / (2 << SUB_BITS)
_SUB_MASK: Final = (1 << SUB_BITS) - 1
_MAX_COUNT: Final = 1 << 62
_MAX_DIGITS: Final = 3


def bucket_of(nanoseconds: int) -> int:
    """Return the index of the bucket that counts ``nanoseconds``."""
    exponent = nanoseconds.bit_length() - 1
    if nanoseconds < 1 << MIN_BITS:
        return 0
    if exponent >= MAX_BITS:
        return BUCKETS - 1
    sub = (nanoseconds >> (exponent - SUB_BITS)) & _SUB_MASK
    return ((exponent - MIN_BITS) << SUB_BITS) + sub + 1


def middle_ns(bucket: int) -> float:
    """Return the value in nanoseconds that stands for everything in ``bucket``."""
    if bucket == 0:
        return float(1 << (MIN_BITS - 1))
    if bucket == BUCKETS - 1:
        return float(1 << MAX_BITS)
    octave, sub = divmod(bucket - 1, 1 << SUB_BITS)
    width = 1 << (octave + MIN_BITS - SUB_BITS)
    return ((1 << SUB_BITS) + sub + 0.5) * width


class Histogram:
    """Counts of durations, and their exact sum."""

    __slots__ = ("counts", "sum_ns")

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        """One for each bucket."""
        self.sum_ns = 0
        """All durations together, exactly."""

    def add(self, nanoseconds: int) -> None:
        """Count one duration; a negative one, from a clock that went back, counts as 0."""
        self.counts[bucket_of(nanoseconds)] += 1
        if nanoseconds > 0:
            self.sum_ns += nanoseconds

    @property
    def count(self) -> int:
        """How many durations were added."""
        return sum(self.counts)

    @property
    def sum_seconds(self) -> float:
        """All durations together."""
        return self.sum_ns / 1e9

    def percentile(self, q: float) -> float | None:
        """Return the duration in nanoseconds that a share ``q`` does not exceed.

        This is the nearest rank: the ``ceil(q * count)``-th smallest, within `RELATIVE_ERROR`.
        None when nothing was counted.

        Raises:
            ValueError: ``q`` is not between 0 and 1.
        """
        if not 0 <= q <= 1:
            raise ValueError(f"q is {q}, not between 0 and 1")
        counts = list(self.counts)
        remaining = max(1, math.ceil(q * sum(counts)))
        for bucket, count in enumerate(counts):
            remaining -= count
            if remaining <= 0:
                return middle_ns(bucket)
        return None

    def copy(self) -> "Histogram":
        """Return an independent copy."""
        copied = Histogram()
        copied.counts = list(self.counts)
        copied.sum_ns = self.sum_ns
        return copied

    def merge(self, other: "Histogram") -> None:
        """Count everything that ``other`` counted here too."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.sum_ns += other.sum_ns

    def since(self, earlier: "Histogram") -> "Histogram":
        """Return what was added after ``earlier`` was copied from this histogram.

        Raises:
            ValueError: ``earlier`` holds more than this one: it was another histogram, or this
                one started again.
        """
        delta = Histogram()
        delta.counts = [a - b for a, b in zip(self.counts, earlier.counts, strict=True)]
        delta.sum_ns = self.sum_ns - earlier.sum_ns
        if min(delta.counts) < 0 or delta.sum_ns < 0:
            raise ValueError("the earlier histogram holds more than the later one")
        return delta

    def to_message(self) -> dict[str, Any]:
        """Return plain data: the sum, and the counts of the buckets that are not empty."""
        counts = {str(bucket): count for bucket, count in enumerate(self.counts) if count}
        return {"sum_ns": self.sum_ns, "counts": counts}

    @classmethod
    def from_message(cls, message: object) -> Self:
        """Return the histogram that `to_message` described.

        Raises:
            MessageError: It is none, or names a bucket that does not exist.
        """
        if not isinstance(message, Mapping) or not isinstance(message.get("counts"), Mapping):
            raise MessageError("histogram", "no sum_ns and counts")
        made = cls()
        made.sum_ns = _natural(message.get("sum_ns"))
        for name, count in message["counts"].items():
            made.counts[_bucket(name)] = _natural(count)
        return made

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return self.counts == other.counts and self.sum_ns == other.sum_ns

    __hash__ = None  # type: ignore[assignment]  # it changes, so it cannot be a key


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """Return one histogram of everything that ``histograms`` counted."""
    total = Histogram()
    for histogram in histograms:
        total.merge(histogram)
    return total


def _natural(value: object) -> int:
    if type(value) is int and 0 <= value < _MAX_COUNT:
        return value
    raise MessageError("histogram", f"{value!r:.40} is no count")


def _bucket(name: object) -> int:
    if isinstance(name, str) and name.isascii() and name.isdigit() and len(name) <= _MAX_DIGITS:
        bucket = int(name)
        if bucket < BUCKETS:
            return bucket
    raise MessageError("histogram", f"{name!r:.40} is no bucket (expected 0 to {BUCKETS - 1})")
