"""How far a segment's answers may be off on a device, from how far they are off here.

Golden frames are made by a runtime's plain kernels, and devices run with others: for quantised
operators those round in other places, operator by operator. Pure.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from fleet.compare import compare
from wire.manifest import Tolerance

Arrays = Mapping[str, NDArray[Any]]

MARGIN: Final = 2
"""Other processors have kernels of their own: they are allowed so many times what was seen."""
MOST_QUANTA: Final = 16
"""Agents allow no more."""
_STEPPED: Final = ("int8", "uint8", "int16", "uint16")


class Allowance(NamedTuple):
    """What a segment's manifest entry allows."""

    tolerance: Tolerance
    quanta: int | msgspec.UnsetType
    note: str = ""
    """What people should know; empty: nothing."""


def allowance(fast: Arrays, plain: Arrays, before: Allowance) -> Allowance:
    """Return ``before``, wider where ``fast`` (optimised) is further from ``plain`` than that."""
    quanta, absolute = before.quanta or 0, before.tolerance.absolute
    said = []
    for name, wanted in plain.items():
        apart = compare(fast[name], wanted, before.tolerance).max_abs_diff
        if not np.isfinite(apart):
            continue  # another shape, or no numbers: it is no matter of kernels
        if wanted.dtype.name in _STEPPED and apart:
            quanta = min(MOST_QUANTA, max(quanta, MARGIN * int(apart)))
            said.append(f"{name!r:.80} by up to {apart:.0f} steps ({quanta} are allowed)")
        elif wanted.dtype.kind == "f" and not compare(fast[name], wanted, before.tolerance).within:
            absolute = max(absolute, float(f"{MARGIN * apart:.1e}"))
            said.append(f"{name!r:.80} by up to {apart:.3g} ({absolute:g} is allowed)")
    note = f"optimised kernels move {', '.join(said)}" if said else ""
    tolerance = msgspec.structs.replace(before.tolerance, absolute=absolute)
    return Allowance(tolerance, quanta or msgspec.UNSET, note)
