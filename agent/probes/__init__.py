"""What a device measures about itself; one file each.

To add one: write ``agent/probes/<name>.py`` with a class that fits ``Probe``, can be made without
arguments, and ``PLUGIN = ThatClass``. A class with a parameter ``state_folder`` is given the
agent's. An absent sensor is silence: yield nothing, raise nothing. The name of a reading ends in
its unit, one of ``UNITS``. A probe is read once a second from one thread, so it takes
milliseconds. ``tests/contract/test_probes.py`` finds it by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

UNITS: Final = frozenset({"bytes", "celsius", "hertz", "ratio", "seconds", "tasks", "total"})
"""``total`` is a count; ``tasks`` are runnable ones."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured value."""

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()
    """What tells it from others of its name, as (key, value)."""


class Probe(Protocol):
    """Reads one kind of sensor."""

    def read(self) -> Iterator[Reading]:
        """Yield what can be read now."""
        ...
