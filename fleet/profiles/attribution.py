"""What each operator of a model takes as the runtime really runs it. Pure.

A runtime fuses operators into kernels, and says which kernel took how long, but not which operators
are in it. So an operator that is still a kernel of its own has its kernel's time, and one whose
result a fused kernel is named after has that one's; what is left of the whole is shared by the
others as their own times without optimisations are. The sum is what the whole takes, as it is
served. Across a cut nothing is fused: that is measured on segments.

A runtime that tells no operator's time leaves the whole to be shared by multiply-accumulates.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from fleet.profiles.record import ModelProfile, PartProfile
from wire.profile_report import OperatorTime

_FUSED: Final = "_nchwc"


class OperatorShare(NamedTuple):
    """One operator's part of the whole."""

    name: str
    """The first tensor that it writes: the same in a model and in any of its segments."""
    kind: str
    seconds: float
    """Median; all together are the whole's."""
    low_seconds: float
    """The tenth percentile, by its own spread."""
    high_seconds: float
    """The ninetieth."""
    own_kernel: bool
    """Whether the runtime left it as it is; else its time is a share of what was fused."""
    by_work: bool = False
    """Whether it is a share by multiply-accumulates, since the runtime tells no operator's time."""


def operators(profile: ModelProfile) -> tuple[OperatorShare, ...]:
    """Return the operators that move with frames, in the order of the model's file."""
    return tuple(share for part in profile.parts for share in _of_part(part))


def _of_part(part: PartProfile) -> list[OperatorShare]:
    report = part.report
    plain = {time.place: time for time in report.operators if time.place < len(part.operators)}
    constant = set(part.constant)
    moving = [place for place in range(len(part.operators)) if place not in constant]
    kept = {time.place: time for time in report.kernels if time.place < len(part.operators)}
    kept = {place: time for place, time in kept.items() if place in plain and place not in constant}
    whole = report.run.p50
    kernels = sum(time.p50 for time in report.kernels)
    scale = whole / kernels if kernels else 0.0
    last = _last_of_fused(part, report.kernels)
    last = {place: time for place, time in last.items() if place not in constant | kept.keys()}
    own = {place: time.p50 * scale for place, time in (kept | last).items()}
    shared = [place for place in moving if place not in own]
    by_work = bool(part.multiply_accumulates)
    if by_work:
        weights = {place: float(part.multiply_accumulates[place]) for place in shared}
    else:
        weights = {place: plain[place].p50 if place in plain else 0.0 for place in shared}
    total, rest = sum(weights.values()), max(0.0, whole - sum(own.values()))
    if not total and shared:
        weights, total = dict.fromkeys(shared, 1.0), float(len(shared))
    found = []
    for place in moving:
        time = kept.get(place) or last.get(place) or plain.get(place)
        seconds = own[place] if place in own else rest * weights[place] / total
        low, high = _spread(seconds, time)
        kind = part.kinds[place] if part.kinds else ""
        kind = plain[place].kind if place in plain else kind
        name, own_kernel = part.operators[place], place in kept
        found.append(OperatorShare(name, kind, seconds, low, high, own_kernel, by_work))
    return found


def _last_of_fused(part: PartProfile, kernels: Iterable[OperatorTime]) -> dict[int, OperatorTime]:
    """Return kernels by the place of the last operator in them, where they are named after it.

    Source: onnxruntime's NCHWc optimiser, which names a convolution, with all that it took in,
    after the tensor that comes out.
    """
    places = {name: place for place, name in enumerate(part.operators) if name}
    found: dict[int, OperatorTime] = {}
    for time in kernels:
        name = time.name.removesuffix(_FUSED)
        if name != time.name and name in places:
            found[places[name]] = time
    return found


def _spread(seconds: float, time: OperatorTime | None) -> tuple[float, float]:
    """Return the same with the spread that was measured, as a share of the median."""
    if time is None or not time.p50:
        return seconds, seconds
    return seconds * time.p10 / time.p50, seconds * time.p90 / time.p50
