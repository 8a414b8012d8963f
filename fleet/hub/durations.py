"""Sparse histograms of durations: what telemetry carries, added up and taken apart. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from wire.histogram import Histogram


@dataclass(frozen=True, slots=True)
class Durations:
    """How many durations fell into which bucket of `wire.histogram`, and their exact sum."""

    counts: Counter[int] = field(default_factory=Counter)
    """Buckets that are not empty."""
    sum_ns: int = 0

    @classmethod
    def from_message(cls, message: object) -> Self:
        """Return what `Histogram.to_message` told; an empty mapping tells nothing.

        Raises:
            MessageError: It is no histogram.
        """
        if message == {}:
            return cls()
        told = Histogram.from_message(message)
        filled = {bucket: count for bucket, count in enumerate(told.counts) if count}
        return cls(Counter(filled), told.sum_ns)

    def to_message(self) -> dict[str, Any]:
        """Return plain data, as `from_message` takes it."""
        counts = {str(bucket): count for bucket, count in sorted(self.counts.items())}
        return {"sum_ns": self.sum_ns, "counts": counts}

    @property
    def count(self) -> int:
        """How many there are."""
        return self.counts.total()

    def holds(self, earlier: "Durations") -> bool:
        """Whether this can be ``earlier`` and what came after it."""
        if self.sum_ns < earlier.sum_ns:
            return False
        return all(self.counts[bucket] >= count for bucket, count in earlier.counts.items())

    def since(self, earlier: "Durations") -> "Durations":
        """Return what came after ``earlier``, which this one holds."""
        return Durations(self.counts - earlier.counts, self.sum_ns - earlier.sum_ns)

    def percentile_seconds(self, q: float) -> float | None:
        """Return the duration that a share ``q`` does not exceed; None: there are none."""
        full = Histogram()
        for bucket, count in self.counts.items():
            full.counts[bucket] = count
        found = full.percentile(q)
        return None if found is None else found / 1e9


def added(several: Iterable[Durations]) -> Durations:
    """Return all of them in one: percentiles of the whole come from its buckets."""
    counts: Counter[int] = Counter()
    sum_ns = 0
    for durations in several:
        counts.update(durations.counts)
        sum_ns += durations.sum_ns
    return Durations(counts, sum_ns)
