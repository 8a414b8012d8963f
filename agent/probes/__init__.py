"""What a device measures about itself; one file each.

To add one: write ``agent/probes/<name>.py`` with a class that fits ``Probe``, can be made without
arguments, and ``PLUGIN = ThatClass``. A constructor that names ``state_folder`` or ``workers`` is
given the agent's folder, or a function that returns a ``Worker`` for each one that runs; the roots
of file trees are called ``sysfs``, ``procfs``, ``run`` and ``var``, so that tests can point all
probes at the tree of a device. An absent sensor is silence: yield nothing, raise nothing. The name
of a reading ends in its unit, one of ``UNITS``, and stands in ``docs/telemetry.md``. A probe is
read in a thread of its kind, every ``EVERY_SECONDS`` (1 where it does not say), so it takes
milliseconds; one that hangs is left alone until it returns. ``tests/contract/test_probes.py`` finds
it by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

UNITS: Final = frozenset(
    {
        "bits_per_second",
        "bytes",
        "celsius",
        "dbm",
        "flag",
        "hertz",
        "number",
        "ratio",
        "seconds",
        "tasks",
        "total",
        "volts",
        "watts",
    }
)
"""``total`` is a count, ``tasks`` are runnable ones, ``flag`` is 0 or 1, ``number`` a mode."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured value."""

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()
    """What tells it from others of its name, as (key, value)."""

    def label(self, key: str) -> str:
        """Return the value of a label; empty: it has no such label."""
        return dict(self.labels).get(key, "")


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process, for the probe that reads it."""

    pid: int
    pipeline: str
    generation: int
    stage: int


class Probe(Protocol):
    """Reads one kind of sensor."""

    def read(self) -> Iterator[Reading]:
        """Yield what can be read now."""
        ...
