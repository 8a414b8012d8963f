"""How far a segment of quantised tensors may be off on a device: seen between two sets of kernels.

Kernels for quantised tensors round in different places, and a step at the beginning is several at
the end. So each segment also runs as it is served; what its answers differ by from those of the
plain kernels, which its golden frame has, says what to expect of a third set.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from fleet import children
from fleet.children import RunOptions
from fleet.compare import QUANTISED
from wire.manifest import MOST_QUANTA, Segment

Arrays = Mapping[str, NDArray[Any]]

MARGIN: Final = 2
"""A device's kernels may be off by so many times what those here are."""
LEAST_QUANTA: Final = 1
"""Whatever was seen: one rounding."""


def allowing(segment: Segment, folder: Path, values: Arrays) -> Segment:
    """Return ``segment`` with what its outputs may be off by.

    Args:
        segment: As written to ``folder``.
        folder: Its own.
        values: What the golden frame has, inputs and outputs.

    Raises:
        ChildFailedError: It does not run as it is served.
    """
    feeds = {spec.name: values[spec.name] for spec in segment.inputs}
    (got,) = children.run(folder, [feeds], RunOptions(optimisations=True)).outputs
    pairs = [(got[spec.name], values[spec.name]) for spec in segment.outputs]
    whole = [(a, b) for a, b in pairs if b.dtype in QUANTISED]
    apart = _largest((a, b) for a, b in pairs if b.dtype.kind == "f")
    tolerance = segment.tolerance
    if MARGIN * apart > tolerance.absolute:
        tolerance = replace(tolerance, absolute=float(f"{MARGIN * apart:.1e}"))
    if not whole:
        return replace(segment, tolerance=tolerance)
    quanta = max(int(MARGIN * _largest(whole)), LEAST_QUANTA)
    return replace(segment, tolerance=tolerance, quanta=min(quanta, MOST_QUANTA))


def note(segments: Iterable[Segment]) -> str:
    """Return what people should know of what segments are allowed."""
    most = max((segment.quanta or 0 for segment in segments), default=0)
    return (
        "kernels for quantised tensors round in different places: on a device, an answer may be"
        f" off by {most} step{'' if most == 1 else 's'}"
    )


def _largest(pairs: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> float:
    apart = (np.abs(a.astype(np.float64) - b.astype(np.float64)) for a, b in pairs)
    return max((float(one.max(initial=0.0)) for one in apart), default=0.0)
