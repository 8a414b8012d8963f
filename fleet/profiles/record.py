"""A model's profile on one device: what was measured there, of which operators. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from fleet.formats import FileOperator
from wire.manifest import ModelRef
from wire.profile_report import ProfileReport

SCHEMA: Final = 1


class Segment(NamedTuple):
    """What of a model lies between two cuts, on the device that measures it."""

    after: tuple[str, ...]
    """The tensors of the cut before it; none: the model's beginning."""
    until: tuple[str, ...]
    """Those of the cut behind it; none: the model's end."""
    device: str


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a profile depends on."""

    model: str
    """SHA-256."""
    sample: str
    """What it was run with: sizes that were asked for, or the digest of an example."""
    split: str = ""
    """The digest of the manifest whose segments were measured, or of the two cuts that a segment
    lies between; empty: the model's own profile."""
    site: str
    """Root and site of the device; empty: no agent was asked, it is this machine."""
    device: str
    runtime: str
    version: str
    """The runtime's."""
    threads: int
    weights: str


class PartProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One part of the model, which is all of it unless it was measured in parts."""

    name: str
    """The segment's."""
    operators: tuple[str, ...]
    """By their places in the part's file: the first tensor that each writes."""
    constant: tuple[int, ...]
    """Places of those that depend on weights alone: a runtime computes them once."""
    kinds: tuple[str, ...] = ()
    multiply_accumulates: tuple[int, ...] = ()
    """Both by place, where the runtime does not tell what each operator takes; else empty."""
    weight_bytes: int
    peak_bytes: int
    """Estimate of weights and live activations together, as in a manifest."""
    report: ProfileReport


class ModelProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model on a device."""

    question: Question
    model: ModelRef
    sizes: dict[str, tuple[int, ...]]
    """Of each input."""
    measured_unix_ns: int
    parts: tuple[PartProfile, ...]
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        """Refuse what nobody can plan with; a file that says so is a damaged one."""
        if not all(part.report.run.p50 > 0 for part in self.parts) or not self.parts:
            raise ValueError("runs that take no time")

    @property
    def device(self) -> str:
        """Where it was measured."""
        return self.question.device

    @property
    def run_seconds(self) -> float:
        """What one frame takes, as it is served; of several parts: one after the other.

        The median; under a quota the mean, since of short runs most do not meet its end.
        """
        return sum(_typical(part.report) for part in self.parts)

    @property
    def operator_seconds(self) -> float:
        """The sum over operators, without what the runtime gains by fusing them."""
        return sum(time.p50 for part in self.parts for time in part.report.operators)

    @property
    def weight_bytes(self) -> int:
        """Weights of all parts."""
        return sum(part.weight_bytes for part in self.parts)


def part_profile(
    name: str,
    operators: Sequence[FileOperator],
    weight_bytes: int,
    peak_bytes: int,
    report: ProfileReport,
) -> PartProfile:
    """Return what is kept of a file's operators and what was measured of it."""
    silent = not report.operators
    return PartProfile(
        name=name,
        operators=tuple(one.writes for one in operators),
        constant=tuple(place for place, one in enumerate(operators) if one.constant),
        kinds=tuple(one.kind for one in operators) if silent else (),
        multiply_accumulates=tuple(o.multiply_accumulates for o in operators) if silent else (),
        weight_bytes=weight_bytes,
        peak_bytes=peak_bytes,
        report=report,
    )


def _typical(report: ProfileReport) -> float:
    mean = report.run.mean
    return report.run.p50 if report.cpu_limit is None or mean is None else mean


def is_settled(parts: Iterable[PartProfile]) -> bool:
    """Whether the time of every part is known well."""
    return all(part.report.settled for part in parts)
